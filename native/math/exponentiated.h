// The multiplicative step of exponentiated gradient: its bounds, and what they do to one number,
// without branches, so that the compiler turns loops over it into SIMD.
#pragma once
#include <cmath>

namespace orthokit::math {

// Exponents are cut to ± this.
inline constexpr double kMostEgExponent = 30;

// No step takes a size out of the range of f32 numbers, so that a weight neither becomes 0, where
// it would stay, nor infinite; one that lies outside already stays there.
inline constexpr double kLeastEgSize = 0x1p-149, kMostEgSize = 0x1.fffffep127;

template <class T>
struct SizeRange {
  T low, high;
  constexpr explicit SizeRange(T size)
      : low(size < T(kLeastEgSize) ? size : T(kLeastEgSize)),
        high(size > T(kMostEgSize) ? size : T(kMostEgSize)) {}
  constexpr bool holds(T x) const { return !((x < low) | (x > high)); }
  constexpr T nearest(T x) const {
    const T least = x < low ? low : x;
    return least > high ? high : least;
  }
};

// −rate · sign(w) · u, 0 where w is.
template <class T>
constexpr T eg_exponent(T w, T u, T rate) {
  const T x = rate * u, against = w < 0 ? x : -x;
  return w == 0 ? T(0) : against;
}

template <class T>
constexpr bool is_cut(T exponent) {
  return std::abs(exponent) > T(kMostEgExponent);
}
template <class T>
constexpr T cut(T exponent) {
  constexpr T kMost = T(kMostEgExponent);
  const T low = exponent < -kMost ? -kMost : exponent;
  return low > kMost ? kMost : low;
}

// w times the exponential and what decay leaves, and how far the exponential alone moves its size.
template <class T>
struct EgStep {
  T weight, change;
};
template <class T>
constexpr EgStep<T> eg_step(T w, T exponential, T exponential_less_one, T kept) {
  const T size = std::abs(w), grown = size * exponential;
  const SizeRange<T> range(size);
  const T nearest = range.nearest(grown), decayed = kept * nearest;
  const T change = range.holds(grown) ? size * exponential_less_one : nearest - size;
  return {std::copysign(decayed < range.low ? range.low : decayed, w), change};
}

}  // namespace orthokit::math
