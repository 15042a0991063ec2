// The loops of a pursuit's least squares, by the calling thread.
#pragma once
#include <algorithm>
#include <cmath>

#include "cpu/fused.h"
#include "cpu/variant.h"
#include "ops/pursuit/shared/support.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Σ xᵢ yᵢ for i < n, in a fixed order.
template <class X, class Y>
double dot(const X* x, const Y* y, int64_t n) {
  constexpr int kSums = 8;
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums)
    for (int k = 0; k < kSums; ++k) sums[k] = fused(double(x[i + k]), double(y[i + k]), sums[k]);
  for (int k = 0; i < n; ++i, ++k) sums[k] = fused(double(x[i]), double(y[i]), sums[k]);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

struct SerialWorkers {
  template <class F>
  static void each(int64_t n, F&& f) {
    for (int64_t i = 0; i < n; ++i) f(i);
  }
  template <class F>
  static void once(F&& f) {
    f();
  }
  template <class X, class Y>
  static double dot(const X* x, const Y* y, int64_t n) {
    return cpu::dot(x, y, n);
  }
  template <class Atoms, class X>
  static void dots(int64_t count, const Atoms& atoms, const X* x, int64_t size, double* out) {
    for (int64_t i = 0; i < count; ++i) out[i] = dot(atoms.atom(i), x, size);
  }
  static void forward(const PackedFactor& factor, int64_t count, double* x) {
    for (int64_t i = 0; i < count; ++i) {
      const double* l = factor.row(i);
      x[i] = (x[i] - dot(l, x, i)) * l[i];
    }
  }
  static void backward(const PackedFactor& factor, int64_t count, double* x) {
    for (int64_t i = count - 1; i >= 0; --i) {
      const double* l = factor.row(i);
      x[i] *= l[i];
      for (int64_t s = 0; s < i; ++s) x[s] = fused(-l[s], x[i], x[s]);
    }
  }
  // The residual is the signal less the atoms' shares, atom by atom.
  template <class Atoms, class W>
  static void subtract(const Atoms& fit, const W* w, int64_t count) {
    std::copy_n(fit.signal, fit.depth, fit.residual);
    for (int64_t i = 0; i < count; ++i) {
      const auto* d = fit.atom(i);
      const double minus = -double(w[i]);
      for (int64_t j = 0; j < fit.depth; ++j)
        fit.residual[j] = fused(minus, double(d[j]), fit.residual[j]);
    }
  }
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
