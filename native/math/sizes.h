// Sizes of floating numbers as whole numbers of the same order: 0 is 0, NaN is above infinity.
#pragma once
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace orthokit::math {

template <class T>
using SizeKey = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

template <class T>
constexpr SizeKey<T> key_of_size(T x) {
  return SizeKey<T>(std::bit_cast<SizeKey<T>>(x) << 1) >> 1;
}
// The size again; every NaN is the same one.
template <class T>
constexpr T size_of_key(SizeKey<T> key) {
  const T x = std::bit_cast<T>(key);
  return x == x ? x : std::numeric_limits<T>::quiet_NaN();
}

}  // namespace orthokit::math
