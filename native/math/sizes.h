// Floating numbers as whole numbers of the same order: −0 is 0, NaN is above infinity.
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
// Of values with their signs; every NaN is the same one.
template <class T>
constexpr SizeKey<T> key_of_value(T x) {
  using Key = SizeKey<T>;
  constexpr int kSign = int(sizeof(T)) * 8 - 1;
  const Key bits = std::bit_cast<Key>(x + T(0));  // −0 + 0 is 0
  const Key key = bits ^ (Key(Key(0) - (bits >> kSign)) | Key(1) << kSign);
  return x == x ? key : Key(~Key(0));
}

struct SizeOrder {
  template <class T>
  constexpr SizeKey<T> operator()(T x) const {
    return key_of_size(x);
  }
};
// Every NaN is the same one.
struct TiedSizeOrder {
  template <class T>
  constexpr SizeKey<T> operator()(T x) const {
    return x == x ? key_of_size(x) : SizeKey<T>(~SizeKey<T>(0));
  }
};
struct ValueOrder {
  template <class T>
  constexpr SizeKey<T> operator()(T x) const {
    return key_of_value(x);
  }
};

}  // namespace orthokit::math
