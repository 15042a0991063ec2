// CUDA's additions to C++ as a host compiler understands them.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
// One OS thread runs one block at a time, so static shared memory can be thread-local storage. The
// emulator finds, poisons and checks it as a whole: the zero-initialised thread-local segment of
// the module that holds the kernels, where nothing else may live.
#define __shared__ static thread_local

#define ORTHOKIT_EMULATOR_VECTORS(T, name, alignment)                                    \
  struct alignas(alignment) name##2 { T x, y; };                                         \
  struct name##3 { T x, y, z; };                                                         \
  struct alignas(2 * (alignment) > 16 ? 16 : 2 * (alignment)) name##4 { T x, y, z, w; }; \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }                             \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }                     \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
ORTHOKIT_EMULATOR_VECTORS(float, float, 8)
ORTHOKIT_EMULATOR_VECTORS(int, int, 8)
ORTHOKIT_EMULATOR_VECTORS(unsigned, uint, 8)
ORTHOKIT_EMULATOR_VECTORS(short, short, 4)
ORTHOKIT_EMULATOR_VECTORS(unsigned short, ushort, 4)
ORTHOKIT_EMULATOR_VECTORS(signed char, char, 2)
ORTHOKIT_EMULATOR_VECTORS(unsigned char, uchar, 2)
ORTHOKIT_EMULATOR_VECTORS(double, double, 16)
ORTHOKIT_EMULATOR_VECTORS(long long, longlong, 16)
ORTHOKIT_EMULATOR_VECTORS(unsigned long long, ulonglong, 16)
#undef ORTHOKIT_EMULATOR_VECTORS

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
