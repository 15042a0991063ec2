// Integer atomics. Those on floating-point numbers do not compile: results would depend on the
// order of threads.
#pragma once
#include "thread.h"

namespace cudaemu {

template <class T, class F>
__attribute__((no_sanitize("thread"), no_sanitize("address"))) inline T update(T* p, F next) {
  static_assert(std::is_integral_v<T> && sizeof(T) >= 4,
                "floating-point atomics make results depend on the order of threads");
  cudaemu_note_atomic(p, sizeof(T));
  T old = __atomic_load_n(p, __ATOMIC_RELAXED);
  while (
      !__atomic_compare_exchange_n(p, &old, next(old), false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
  }
  return old;
}

}  // namespace cudaemu

template <class T>
inline T atomicAdd(T* p, std::type_identity_t<T> v) {
  return cudaemu::update(p, [v](T old) { return T(old + v); });
}
template <class T>
inline T atomicSub(T* p, std::type_identity_t<T> v) {
  return cudaemu::update(p, [v](T old) { return T(old - v); });
}
template <class T>
inline T atomicMax(T* p, std::type_identity_t<T> v) {
  return cudaemu::update(p, [v](T old) { return old < v ? v : old; });
}
template <class T>
inline T atomicMin(T* p, std::type_identity_t<T> v) {
  return cudaemu::update(p, [v](T old) { return v < old ? v : old; });
}
template <class T>
inline T atomicOr(T* p, std::type_identity_t<T> v) {
  return cudaemu::update(p, [v](T old) { return T(old | v); });
}
template <class T>
inline T atomicAnd(T* p, std::type_identity_t<T> v) {
  return cudaemu::update(p, [v](T old) { return T(old & v); });
}
template <class T>
inline T atomicExch(T* p, std::type_identity_t<T> v) {
  return cudaemu::update(p, [v](T) { return v; });
}
template <class T>
inline T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> v) {
  return cudaemu::update(p, [=](T old) { return old == expected ? v : old; });
}
inline unsigned atomicInc(unsigned* p, unsigned limit) {
  return cudaemu::update(p, [limit](unsigned old) { return old >= limit ? 0u : old + 1; });
}
