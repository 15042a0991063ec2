// The least squares of one signal on the atoms that a pursuit has chosen, in f64. `Workers` do the
// loops: one thread of the CPU, or the threads of a block, each of which calls every function with
// the same numbers and goes on once the results are there for all.
#pragma once
#include <cmath>

#include "ops/pursuit/shared/pursuit.h"

namespace orthokit {

// A lower triangle packed by rows, with reciprocals on its diagonal, so that nothing waits for a
// division.
struct PackedFactor {
  double* data;
  constexpr double* row(int64_t i) const { return data + i * (i + 1) / 2; }
};

// L Lᵀ = G[I, I], L z = p₀[I], Lᵀ w = z.
template <class Workers>
class Support {
 public:
  // `state` has support_doubles(most), of which those of `count` atoms are there already; `columns`
  // is scratch memory, 2 `most`.
  constexpr Support(double* state, double* columns, int64_t most, int64_t count = 0)
      : z_(state), factor_{z_ + most}, w_(columns), g_(w_ + most), count_(count) {}

  constexpr void clear() { count_ = 0; }
  constexpr int64_t count() const { return count_; }
  constexpr double* w() const { return w_; }
  // Place for the Gram column of the next atom, or for the argument of `correct`.
  constexpr double* column() const { return g_; }

  // The squared distance of the next atom to the span: its square, less what lies in the span.
  constexpr double distance(double square) const {
    Workers::forward(factor_, count_, g_);
    return square - Workers::dot(g_, g_, count_);
  }
  // Takes the atom that `distance` was asked of; returns the square of its share of the signal.
  constexpr double append(double correlation, double distance) {
    double* l = factor_.row(count_);
    const double inverse = 1 / std::sqrt(distance);
    const double z = (correlation - Workers::dot(g_, z_, count_)) * inverse;
    Workers::each(count_, [=, from = g_](int64_t i) { l[i] = from[i]; });
    Workers::once([l, z, inverse, to = z_, at = count_] { l[at] = inverse, to[at] = z; });
    ++count_;
    return z * z;
  }
  constexpr void solve() const {
    Workers::each(count_, [from = z_, to = w_](int64_t i) { to[i] = from[i]; });
    Workers::backward(factor_, count_, w_);
  }
  // w += G[I, I]⁻¹ column.
  constexpr void correct() const {
    Workers::forward(factor_, count_, g_);
    Workers::backward(factor_, count_, g_);
    Workers::each(count_, [w = w_, change = g_](int64_t i) { w[i] += change[i]; });
  }

 private:
  double* z_;
  PackedFactor factor_;
  double *w_, *g_;
  int64_t count_;
};

// A signal, and the atoms that it is made of.
template <class Workers, class T>
struct Fit {
  const T *atoms, *signal;
  int64_t depth;
  const int32_t* indices;
  double* residual;  // scratch

  constexpr const T* atom(int64_t i) const { return atoms + indices[i] * depth; }

  // out[i] = atom(i) · x for those of the support.
  template <class X>
  constexpr void dots(int64_t count, const X* x, double* out) const {
    Workers::dots(count, *this, x, depth, out);
  }

  // Refines the support's w, rounds it into `w`, and returns |y − Dᵀ w|² of that.
  constexpr double measure(const Support<Workers>& support, int64_t refinements, T* w) const {
    const int64_t count = support.count();
    for (int64_t step = 0; step < refinements; ++step) {
      Workers::subtract(*this, support.w(), count);
      dots(count, residual, support.column());
      support.correct();
    }
    Workers::each(count, [w, from = support.w()](int64_t i) { w[i] = T(from[i]); });
    Workers::subtract(*this, w, count);
    return Workers::dot(residual, residual, depth);
  }
};

}  // namespace orthokit
