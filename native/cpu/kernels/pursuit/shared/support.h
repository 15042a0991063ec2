// The least squares of one signal on the atoms that a pursuit has chosen.
#pragma once
#include <algorithm>
#include <cmath>

#include "cpu/fused.h"
#include "cpu/variant.h"
#include "ops/pursuit/shared/pursuit.h"

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

// L Lᵀ = G[I, I], L z = p₀[I], Lᵀ w = z, in f64. L is packed by rows, with reciprocals on its
// diagonal, so that nothing waits for a division.
class Support {
 public:
  // `state` has support_doubles(most), of which those of `count` atoms are there already; `columns` is
  // scratch memory, 2 `most`.
  Support(double* state, double* columns, int64_t most, int64_t count = 0)
      : z_(state), factor_(z_ + most), w_(columns), g_(w_ + most), count_(count) {}

  void clear() { count_ = 0; }
  int64_t count() const { return count_; }
  double* w() const { return w_; }
  // Where the Gram column of the next atom is written, or what `correct` takes.
  double* column() const { return g_; }

  // The squared distance of the next atom to the span: its square, less what lies in the span.
  double distance(double square) {
    forward(g_);
    return square - dot(g_, g_, count_);
  }
  // Takes the atom that `distance` was asked of; returns the square of its share of the signal.
  double append(double correlation, double distance) {
    double* l = std::copy_n(g_, count_, row(count_)) - count_;
    const double inverse = 1 / std::sqrt(distance);
    const double z = (correlation - dot(l, z_, count_)) * inverse;
    l[count_] = inverse;
    z_[count_++] = z;
    return z * z;
  }
  void solve() {
    std::copy_n(z_, count_, w_);
    backward(w_);
  }
  // w += G[I, I]⁻¹ column.
  void correct() {
    forward(g_);
    backward(g_);
    for (int64_t i = 0; i < count_; ++i) w_[i] += g_[i];
  }

 private:
  double* row(int64_t i) const { return factor_ + i * (i + 1) / 2; }
  void forward(double* x) const {
    for (int64_t i = 0; i < count_; ++i) x[i] = (x[i] - dot(row(i), x, i)) * row(i)[i];
  }
  void backward(double* x) const {
    for (int64_t i = count_ - 1; i >= 0; --i) {
      const double* l = row(i);
      x[i] *= l[i];
      for (int64_t s = 0; s < i; ++s) x[s] = fused(-l[s], x[i], x[s]);
    }
  }

  double *z_, *factor_, *w_, *g_;
  int64_t count_;
};

// A signal, and the atoms that it is made of.
template <class T>
struct Fit {
  const T *atoms, *signal;
  int64_t depth;
  const int32_t* indices;
  double* residual;  // scratch

  const T* atom(int64_t i) const { return atoms + indices[i] * depth; }

  // Refines the support's w, rounds it into `w`, and returns |y − Dᵀ w|² of that.
  double measure(Support& support, int64_t refinements, T* w) const {
    for (int64_t step = 0; step < refinements; ++step) {
      subtract(support.w(), support.count());
      for (int64_t i = 0; i < support.count(); ++i)
        support.column()[i] = dot(atom(i), residual, depth);
      support.correct();
    }
    for (int64_t i = 0; i < support.count(); ++i) w[i] = T(support.w()[i]);
    subtract(w, support.count());
    return dot(residual, residual, depth);
  }

 private:
  template <class W>
  void subtract(const W* w, int64_t count) const {
    std::copy_n(signal, depth, residual);
    for (int64_t i = 0; i < count; ++i) {
      const T* d = atom(i);
      const double minus = -double(w[i]);
      for (int64_t j = 0; j < depth; ++j) residual[j] = fused(minus, double(d[j]), residual[j]);
    }
  }
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
