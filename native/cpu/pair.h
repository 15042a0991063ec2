// Two vectors that are worked on as one, or two such pairs.
#pragma once
#include <type_traits>

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Its members are variables of their own to the compiler, which keeps them in registers; a vector
// that is wider than the processor's lies in memory.
template <class Half>
struct Pair {
  Half low, high;
};

template <class Half>
__attribute__((always_inline)) inline const Half& low_of(const Pair<Half>& x) {
  return x.low;
}
template <class Half>
__attribute__((always_inline)) inline const Half& high_of(const Pair<Half>& x) {
  return x.high;
}
inline double low_of(double x) { return x; }
inline double high_of(double x) { return x; }

template <class Half>
__attribute__((always_inline)) inline Pair<Half> operator-(const Pair<Half>& a) {
  return {-a.low, -a.high};
}
template <class Half, class B>
__attribute__((always_inline)) inline Pair<Half> operator+(const Pair<Half>& a, const B& b) {
  return {a.low + low_of(b), a.high + high_of(b)};
}
template <class Half, class B>
__attribute__((always_inline)) inline Pair<Half> operator-(const Pair<Half>& a, const B& b) {
  return {a.low - low_of(b), a.high - high_of(b)};
}
template <class Half, class B>
__attribute__((always_inline)) inline Pair<Half> operator*(const Pair<Half>& a, const B& b) {
  return {a.low * low_of(b), a.high * high_of(b)};
}
template <class Half, class B>
__attribute__((always_inline)) inline Pair<Half>& operator+=(Pair<Half>& a, const B& b) {
  return a = a + b;
}
template <class Half, class B>
__attribute__((always_inline)) inline Pair<Half>& operator-=(Pair<Half>& a, const B& b) {
  return a = a - b;
}
template <class Half, class B>
__attribute__((always_inline)) inline Pair<Half>& operator*=(Pair<Half>& a, const B& b) {
  return a = a * b;
}

// Element by element: what `select` takes.
template <class Half, class B>
__attribute__((always_inline)) inline auto operator<(const Pair<Half>& a, const B& b) {
  return Pair<decltype(a.low < a.low)>{a.low < low_of(b), a.high < high_of(b)};
}
template <class Half, class B>
__attribute__((always_inline)) inline auto operator>(const Pair<Half>& a, const B& b) {
  return Pair<decltype(a.low > a.low)>{a.low > low_of(b), a.high > high_of(b)};
}
template <class Half, class B>
__attribute__((always_inline)) inline auto operator>=(const Pair<Half>& a, const B& b) {
  return Pair<decltype(a.low >= a.low)>{a.low >= low_of(b), a.high >= high_of(b)};
}
template <class Half, class B>
__attribute__((always_inline)) inline auto operator==(const Pair<Half>& a, const B& b) {
  return Pair<decltype(a.low == a.low)>{a.low == low_of(b), a.high == high_of(b)};
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
