// All products, sums and exponentials of a window of attention, which a test counts.
#pragma once
#include "cpu/kernels/network/shared/attention_scores.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
struct WindowArithmetic {
  static constexpr int64_t kLanes = kVectorSize<T>;

  // Σ a b: many running sums, in a fixed order.
  static T dot(const T* a, const T* b, int64_t n) {
    Vector<T> sums[2] = {}, x;
    int64_t i = 0;
    for (; i + 2 * kLanes <= n; i += 2 * kLanes)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        load<T>(a + i + v * kLanes, x);
        add_product<T>(x, b + i + v * kLanes, sums[v]);
      }
    sums[0] += sums[1];
    T sum = 0;
    for (int64_t l = 0; l < kLanes; ++l) sum += sums[0][l];
    for (; i < n; ++i) sum += a[i] * b[i];
    return sum;
  }
  // xᵢ = 2^(xᵢ − offset); memory behind n is written up to a whole register.
  static void powers(T* x, T offset, int64_t n) {
    Vector<T> most, p;
    spread<T>(offset, most);
    for (int64_t i = 0; i < n; i += kLanes) {
      load<T>(x + i, p);
      exp2_of(p - most, p);
      store<T>(p, x + i);
    }
  }
  static T power(T x) {
    T p[kLanes] = {x};
    powers(p, 0, 1);
    return p[0];
  }
  // out += factor x
  static void add(T factor, const T* x, T* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) out[i] += factor * x[i];
  }
  static void scale(T factor, const T* x, T* out, int64_t n, int64_t stride = 1) {
    for (int64_t i = 0; i < n; ++i) out[i * stride] = factor * x[i];
  }
  static T total(const T* x, int64_t n) {
    T sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i];
    return sum;
  }
  static T plus(T a, T b) { return a + b; }
  static T inverse(T x) { return 1 / x; }
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
