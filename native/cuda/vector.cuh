// Four neighbouring elements at a time, of any dtype, as the type that a kernel computes in.
#pragma once
#include <cstring>
#include <type_traits>

#include "cuda/convert.cuh"

namespace orthokit::cuda {

inline constexpr int kVector = 4;  // elements that a thread takes at once

// A tensor as a kernel sees it.
struct Operand {
  void* data;
  int64_t size;
  Dtype dtype;

  template <class T>
  __host__ __device__ T* as() const {
    return static_cast<T*>(data);
  }
};

// What moves in one access: 16 bytes at most, and as a built-in vector, because the compiler splits
// a struct of halves, and words that are put together to doubles.
template <int bytes>
struct Word;
template <>
struct Word<4> {
  using Type = unsigned;
};
template <>
struct Word<8> {
  using Type = uint2;
};
template <>
struct Word<16> {
  using Type = uint4;
};
template <class S, int bytes>
using AccessOf =
    std::conditional_t<std::is_same_v<S, double>, double2, typename Word<bytes>::Type>;

template <class S>
__device__ __forceinline__ bool is_whole(const S* p, int n) {
  constexpr unsigned kBytes = sizeof(S) * kVector;
  constexpr unsigned kAlign = kBytes < 16 ? kBytes : 16;
  return n == kVector && reinterpret_cast<uintptr_t>(p) % kAlign == 0;
}

// n ≤ kVector elements from p; zeros behind them.
template <class S>
__device__ __forceinline__ void load_raw(const S* p, int n, S (&out)[kVector]) {
  constexpr int kBytes = sizeof(S) * kVector, kStep = kBytes < 16 ? kBytes : 16;
  using Access = AccessOf<S, kStep>;
  if (is_whole(p, n)) {
#pragma unroll
    for (int i = 0; i < kBytes / kStep; ++i) {
      const Access word = reinterpret_cast<const Access*>(p)[i];
      memcpy(reinterpret_cast<char*>(out) + i * kStep, &word, kStep);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kVector; ++i) out[i] = i < n ? p[i] : S{};
}

// p is in global memory. Plain stores of whole vectors would be joined with those of single elements,
// and nvcc would keep the latter.
template <class S>
__device__ __forceinline__ void store_raw(S* p, int n, const S (&values)[kVector]) {
  constexpr int kBytes = sizeof(S) * kVector, kStep = kBytes < 16 ? kBytes : 16;
  using Access = AccessOf<S, kStep>;
  if (is_whole(p, n)) {
#pragma unroll
    for (int i = 0; i < kBytes / kStep; ++i) {
      Access word;
      memcpy(&word, reinterpret_cast<const char*>(values) + i * kStep, kStep);
      __stwb(reinterpret_cast<Access*>(p) + i, word);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kVector; ++i)
    if (i < n) p[i] = values[i];
}

// The same with a conversion: x is floating.
template <class T>
__device__ __forceinline__ void load(const Operand& x, int64_t at, int n, T (&out)[kVector]) {
  on_floating(x.dtype, [&]<class S>() {
    S raw[kVector];
    load_raw(x.as<const S>() + at, n, raw);
#pragma unroll
    for (int i = 0; i < kVector; ++i) out[i] = convert<T>(raw[i]);
  });
}

template <class T>
__device__ __forceinline__ void store(const Operand& x, int64_t at, int n,
                                      const T (&values)[kVector]) {
  on_floating(x.dtype, [&]<class S>() {
    S raw[kVector];
#pragma unroll
    for (int i = 0; i < kVector; ++i) raw[i] = convert<S>(values[i]);
    store_raw(x.as<S>() + at, n, raw);
  });
}

// store(), and the values as they are now stored: what is derived of them now equals what is
// derived of them later.
template <class T>
__device__ __forceinline__ void store_rounded(const Operand& x, int64_t at, int n,
                                              T (&values)[kVector]) {
  on_floating(x.dtype, [&]<class S>() {
    S raw[kVector];
#pragma unroll
    for (int i = 0; i < kVector; ++i) raw[i] = convert<S>(values[i]);
    store_raw(x.as<S>() + at, n, raw);
#pragma unroll
    for (int i = 0; i < kVector; ++i) values[i] = convert<T>(raw[i]);
  });
}

}  // namespace orthokit::cuda
