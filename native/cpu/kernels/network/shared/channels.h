// Neighbouring channels in a register, and those that are left one by one.
#pragma once
#include <type_traits>

#include "cpu/convert.h"
#include "cpu/fused.h"
#include "cpu/vectors.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The type of the arithmetic on stored elements.
template <class S>
using ArithmeticOf = std::conditional_t<std::is_same_v<S, double>, double, float>;

// Lanes: a Vector<T>, or a T by itself.
template <class Lanes>
struct LanesOf {
  using Element = std::remove_cvref_t<decltype(std::declval<Lanes&>()[0])>;
  using Integer = std::conditional_t<sizeof(Element) == 8, int64_t, int32_t>;
  using Integers = Vector<Integer>;
  static constexpr int count = kVectorSize<Element>;
};
template <class Lanes>
  requires std::is_arithmetic_v<Lanes>
struct LanesOf<Lanes> {
  using Element = Lanes;
  using Integers = std::conditional_t<sizeof(Element) == 8, int64_t, int32_t>;
  static constexpr int count = 1;
};

// Of elements of any dtype.
template <class Lanes, class S>
__attribute__((always_inline)) inline void load_lanes(const S* from, Lanes& out) {
  using Of = LanesOf<Lanes>;
  using T = typename Of::Element;
  if constexpr (Of::count == 1) {
    out = convert<T>(*from);
  } else if constexpr (std::is_same_v<S, T>) {
    load<T>(from, out);
  } else {
    T buffer[Of::count];
    for (int i = 0; i < Of::count; ++i) buffer[i] = convert<T>(from[i]);
    load<T>(buffer, out);
  }
}
template <class Lanes, class S>
__attribute__((always_inline)) inline void store_lanes(const Lanes& values, S* to) {
  using Of = LanesOf<Lanes>;
  using T = typename Of::Element;
  if constexpr (Of::count == 1) {
    *to = convert<S>(values);
  } else if constexpr (std::is_same_v<S, T>) {
    store<T>(values, to);
  } else {
    T buffer[Of::count];
    store<T>(values, buffer);
    for (int i = 0; i < Of::count; ++i) to[i] = convert<S>(buffer[i]);
  }
}

// c += a · b, rounded as `fused` rounds.
template <class Lanes>
__attribute__((always_inline)) inline void multiply_add_lanes(const Lanes& a, const Lanes& b,
                                                              Lanes& c) {
  if constexpr (LanesOf<Lanes>::count == 1)
    c = fused(a, b, c);
  else
    add_product<typename LanesOf<Lanes>::Element>(a, b, c);
}

// f.operator()<Lanes>(c) for channels c … c + LanesOf<Lanes>::count − 1.
template <class T, class F>
__attribute__((always_inline)) inline void for_lanes(int64_t channels, F&& f) {
  int64_t c = 0;
  for (; c + kVectorSize<T> <= channels; c += kVectorSize<T>) f.template operator()<Vector<T>>(c);
  for (; c < channels; ++c) f.template operator()<T>(c);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
