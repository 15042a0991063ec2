// Elements of any dtype as the type that a kernel computes in, one by one and 16 bytes at a time.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstring>

#include "cuda/device/launch.cuh"

namespace orthokit::cuda {

// The type that a kernel computes in: double for double, float for the rest.
template <class T>
struct WideOf {
  using Type = float;
};
template <>
struct WideOf<double> {
  using Type = double;
};
template <class T>
using Wide = typename WideOf<T>::Type;

__device__ __forceinline__ float widen(float v) { return v; }
__device__ __forceinline__ double widen(double v) { return v; }
__device__ __forceinline__ float widen(__half v) { return __half2float(v); }
__device__ __forceinline__ float widen(__nv_bfloat16 v) { return __bfloat162float(v); }

// To nearest, ties to even.
template <class T>
struct Narrow {
  static __device__ __forceinline__ T from(Wide<T> v) { return v; }
};
template <>
struct Narrow<__half> {
  static __device__ __forceinline__ __half from(float v) { return __float2half_rn(v); }
};
template <>
struct Narrow<__nv_bfloat16> {
  static __device__ __forceinline__ __nv_bfloat16 from(float v) { return __float2bfloat16_rn(v); }
};
template <class T>
__device__ __forceinline__ T narrow(Wide<T> v) {
  return Narrow<T>::from(v);
}

__device__ __forceinline__ float2 widen_pair(unsigned bits, __half) {
  __half2 pair;
  memcpy(&pair, &bits, 4);
  return __half22float2(pair);
}
__device__ __forceinline__ float2 widen_pair(unsigned bits, __nv_bfloat16) {
  return make_float2(__uint_as_float(bits << 16), __uint_as_float(bits & 0xffff0000u));
}
__device__ __forceinline__ unsigned narrow_pair(float low, float high, __half) {
  const __half2 pair = __floats2half2_rn(low, high);
  unsigned bits;
  memcpy(&bits, &pair, 4);
  return bits;
}
__device__ __forceinline__ unsigned narrow_pair(float low, float high, __nv_bfloat16) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  unsigned bits;
  memcpy(&bits, &pair, 4);
  return bits;
}

// 16 bytes of T in one request, as n wide values. Through uint4, because nvcc splits a struct of
// 16-bit pairs into four requests.
template <class T>
struct Vec {
  static constexpr int n = 8;
  static __device__ __forceinline__ void load(const T* p, float (&v)[n]) {
    const uint4 raw = *reinterpret_cast<const uint4*>(p);
    const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float2 pair = widen_pair(words[i], T());
      v[2 * i] = pair.x;
      v[2 * i + 1] = pair.y;
    }
  }
  static __device__ __forceinline__ void store(T* p, const float (&v)[n]) {
    *reinterpret_cast<uint4*>(p) =
        make_uint4(narrow_pair(v[0], v[1], T()), narrow_pair(v[2], v[3], T()),
                   narrow_pair(v[4], v[5], T()), narrow_pair(v[6], v[7], T()));
  }
};
template <>
struct Vec<float> {
  static constexpr int n = 4;
  static __device__ __forceinline__ void load(const float* p, float (&v)[n]) {
    const float4 raw = *reinterpret_cast<const float4*>(p);
    v[0] = raw.x;
    v[1] = raw.y;
    v[2] = raw.z;
    v[3] = raw.w;
  }
  static __device__ __forceinline__ void store(float* p, const float (&v)[n]) {
    *reinterpret_cast<float4*>(p) = make_float4(v[0], v[1], v[2], v[3]);
  }
};
template <>
struct Vec<double> {
  static constexpr int n = 2;
  static __device__ __forceinline__ void load(const double* p, double (&v)[n]) {
    const double2 raw = *reinterpret_cast<const double2*>(p);
    v[0] = raw.x;
    v[1] = raw.y;
  }
  static __device__ __forceinline__ void store(double* p, const double (&v)[n]) {
    *reinterpret_cast<double2*>(p) = make_double2(v[0], v[1]);
  }
};

}  // namespace orthokit::cuda
