// Σu², with Σu⁴ or max |u|, of an array that comes in blocks.
#pragma once
#include <bit>

#include "cpu/sums.h"
#include "math/powers.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

enum class MomentsOf { kFourth, kLargest };  // what is asked beside Σu²

struct Moments {
  double second = 0, fourth = 0, largest = 0;
  Moments& operator+=(const Moments& o) {
    second += o.second, fourth += o.fourth, largest = std::max(largest, o.largest);
    return *this;
  }
};

// Magnitudes compare like their bits, and bits compare in SIMD.
template <class T>
double largest_of(const T* u, int64_t n) {
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  Bits largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, Bits(std::bit_cast<Bits>(u[i]) << 1));
  return double(std::bit_cast<T>(Bits(largest >> 1)));
}

// Of a block in f64.
template <class T>
Moments exact_moments(const T* u, int64_t n) {
  Moments sum;
  sum.second = sum_of_squares(u, n);
  sum.fourth = sum_of_fourths(u, n);
  return sum;
}

// Moments of one block after the other. In f32 they are added in f32 lanes, of u times a power of
// two, which makes the fourth powers of most blocks representable: it comes from the block before.
class MomentSum {
 public:
  explicit MomentSum(MomentsOf what) : with_largest_(what == MomentsOf::kLargest) {}
  const Moments& total() const { return total_; }

  void add(const double* u, int64_t n) {
    total_ += with_largest_ ? extent(u, n) : exact_moments(u, n);
  }
  void add(const float* u, int64_t n) {
    if (with_largest_) {
      total_ += extent(u, n);
      return;
    }
    Moments scaled;
    if (scale_ == 0 || !scaled_moments(u, n, scaled)) {
      const Moments exact = exact_moments(u, n);
      scale_ =
          math::inverse_of_power(math::power_below(float(std::sqrt(exact.second / double(n)))));
      total_ += exact;
      return;
    }
    const double square = 1 / (double(scale_) * double(scale_));
    scaled.second *= square, scaled.fourth *= square * square;
    total_ += scaled;
  }

 private:
  // In f64: the norm that goes with the largest is one whose error an exponential multiplies.
  template <class T>
  static Moments extent(const T* u, int64_t n) {
    Moments sum;
    sum.second = sum_of_squares(u, n), sum.largest = largest_of(u, n);
    return sum;
  }
  // False where f32 may have lost more than rounding.
  bool scaled_moments(const float* u, int64_t n, Moments& sum) const {
    FloatSums seconds, fourths;
    int64_t i = 0;
    for (; i + kFloatSums <= n; i += kFloatSums)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        const Floats x = *floats_at(u + i + k * kFloats) * scale_, square = x * x;
        seconds.sums[k] += square, fourths.sums[k] += square * square;
      }
    sum.second = seconds.total(), sum.fourth = fourths.total();
    for (; i < n; ++i) {
      const double x = double(u[i]) * double(scale_), square = x * x;
      sum.second += square, sum.fourth += square * square;
    }
    return sum.second >= 1e-8 && sum.second <= 1e12;
  }

  const bool with_largest_;
  float scale_ = 0;
  Moments total_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
