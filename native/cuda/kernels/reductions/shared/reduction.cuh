// Reductions of a row or a column of a matrix, in f64.
#pragma once
#include "cuda/device/reduce.cuh"
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

struct Itself {
  static __device__ __forceinline__ double of(double x) { return x; }
};
struct Square {
  static __device__ __forceinline__ double of(double x) { return x * x; }
};

// f.operator()<how two results are joined, what is taken of an element>()
template <class F>
void on_reduction(Reduction reduction, F&& f) {
  if (reduction == Reduction::kMax)
    f.template operator()<Larger, Itself>();
  else if (reduction == Reduction::kSumOfSquares)
    f.template operator()<Sum, Square>();
  else
    f.template operator()<Sum, Itself>();
}
inline double divisor_of(Reduction reduction, int64_t count) {
  return reduction == Reduction::kMean ? double(count) : 1;
}

}  // namespace orthokit::cuda
