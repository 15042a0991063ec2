// Numbers beyond what is to hold them.
#pragma once
#include <limits>

namespace orthokit::math {

template <class T>
constexpr bool is_finite(T x) {
  return (x < T(0) ? -x : x) <= std::numeric_limits<T>::max();
}

// The nearest number in [−most, most]; NaN stays.
template <class T>
constexpr T held(T x, T most) {
  const T above = x < -most ? -most : x;
  return above > most ? most : above;
}

// Of f16, the largest number. Infinities stay.
inline constexpr double kMostF16 = 65504;
template <class T>
constexpr T held_in_f16(T x) {
  return is_finite(x) ? held(x, T(kMostF16)) : x;
}

}  // namespace orthokit::math
