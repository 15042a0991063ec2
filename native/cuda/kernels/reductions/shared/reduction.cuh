// Reductions of a row or a column of a matrix, in f64.
#pragma once
#include "cuda/device/reduce.cuh"
#include "math/roots.h"
#include "ops/reductions/shared/reduction.h"

namespace orthokit::cuda {

struct Larger {  // NaN if one of them is
  template <class T>
  static __device__ __forceinline__ T neutral() {
    return T(-INFINITY);
  }
  static __device__ __forceinline__ double combine(double a, double b) {
    return b != b || b > a ? b : a;
  }
};

struct Root {  // of the sum of the squares, whatever their range
  template <class T>
  static __device__ __forceinline__ T neutral() {
    return 0;
  }
  static __device__ __forceinline__ double combine(double a, double b) {
    return math::root_of_sum(1.0, a, 1.0, b);
  }
};

struct Itself {
  static __device__ __forceinline__ double of(double x) { return x; }
};
struct Square {
  static __device__ __forceinline__ double of(double x) { return x * x; }
};

// f.operator()<how two results are joined, what is taken of an element>(), for elements T. Squares
// of f64 may leave its range, those of narrower elements do not.
template <class T, class F>
void on_reduction(Reduction reduction, F&& f) {
  if constexpr (sizeof(T) == sizeof(double))
    if (reduction == Reduction::kNorm) return f.template operator()<Root, Itself>();
  if (reduction == Reduction::kMax)
    f.template operator()<Larger, Itself>();
  else if (reduction == Reduction::kSumOfSquares || reduction == Reduction::kNorm)
    f.template operator()<Sum, Square>();
  else
    f.template operator()<Sum, Itself>();
}

struct Finish {
  double divisor = 1;
  bool takes_root = false;
  __device__ double operator()(double total) const {
    return takes_root ? sqrt(total) : total / divisor;
  }
};
template <class T>
Finish finish_of(Reduction reduction, int64_t count) {
  return {reduction == Reduction::kMean ? double(count) : 1,
          reduction == Reduction::kNorm && sizeof(T) < sizeof(double)};
}

}  // namespace orthokit::cuda
