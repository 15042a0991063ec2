// Shared parts of the references of optimizer steps: weights, decay, statistics, as
// ops/optimizers/shared/step.h defines them.
#pragma once
#include "bench/reference/reference.h"
#include "ops/optimizers/shared/momentum_form.h"
#include "ops/optimizers/shared/step.h"

namespace orthokit::bench {

using Vector = std::vector<double>;

// √(a² + b²) of squares that f64 cannot hold; NaN beside an infinity stays, which hypot drops.
inline double root_of_squares(long double a, long double b) {
  return double(std::sqrt(a * a + b * b));
}

inline bool is_held(const View& guard) { return guard && *values(guard) != 0; }

// The f32 masters where there are some. Of weights whose low 16 bits lie apart, the harness has
// joined both.
inline double* weights_of(const Step& step, int64_t i) {
  const bool apart = step.masters.count > 0 && step.masters[i].dtype == Dtype::kF32;
  return values(apart ? step.masters[i] : step.weights[i]);
}

inline Vector decayed_gradient(const Step& step, int64_t i) {
  const double decay = step.weight_decay_mode == WeightDecayMode::kL2 ? step.weight_decay : 0;
  Vector g(values(step.grads[i]), values(step.grads[i]) + step.grads[i].size());
  if (decay == 0) return g;  // else an infinite weight would make it NaN
  for (size_t j = 0; j < g.size(); ++j) g[j] += decay * weights_of(step, i)[j];
  return g;
}

// w ← decay(w) − rate · u from element `begin` on; the squares that the statistics hold.
inline double apply(const Step& step, int64_t i, const Vector& u, double rate, size_t begin = 0) {
  double* w = weights_of(step, i) + begin;
  long double squares = 0;
  for (size_t j = 0; j < u.size(); ++j) {
    double decay = 0;
    switch (step.weight_decay_mode) {
      case WeightDecayMode::kDecoupled:
        decay = step.lr * step.weight_decay;
        break;
      case WeightDecayMode::kIndependent:
        decay = step.weight_decay;
        break;
      case WeightDecayMode::kPalm:
        decay = step.weight_decay * step.lr * step.lr;
        break;
      case WeightDecayMode::kCautious: {
        // By their signs: a product may be NaN, or too small.
        const bool agrees = (w[j] >= 0 && u[j] >= 0) || (w[j] <= 0 && u[j] <= 0);
        decay = agrees ? step.lr * step.weight_decay : 0;
        break;
      }
      case WeightDecayMode::kL2:
        break;
    }
    if (step.weight_decay_mode == WeightDecayMode::kCautious)
      w[j] -= (decay == 0 ? 0 : decay * w[j]) + rate * u[j];
    else
      w[j] = (1 - decay) * w[j] - rate * u[j];
    const long double moved = static_cast<long double>(rate) * u[j];
    squares += moved * moved;
    values(step.weights[i])[begin + j] = w[j];
  }
  return double(squares);
}

inline void note(const Step& step, int64_t i, double update, double own = 0) {
  if (!step.statistics) return;
  double* row = values(step.statistics) + 3 * step.statistics_row(i);
  row[0] = step.grad_squares ? values(step.grad_squares)[i] : sum_of_squares(step.grads[i]);
  row[1] = update, row[2] = own;
}

// m ← rule(m, g); the vector that the method goes on with, from m as it is stored. A finite m stays
// within ± most.
inline Vector advance(const MomentumRule& rule, const View& momentum, const Vector& g,
                      bool first = false, double most = HUGE_VAL) {
  const bool ema = rule.form == MomentumForm::kEma;
  double* m = values(momentum);
  Vector u(g.size());
  for (size_t j = 0; j < g.size(); ++j) {
    const double fresh = ema     ? (1 - rule.momentum) * g[j]
                         : first ? g[j]
                                 : (1 - rule.dampening) * g[j];
    m[j] = (first && !ema ? 0 : rule.momentum * m[j]) + fresh;
    if (std::isfinite(m[j])) m[j] = std::clamp(m[j], -most, most);
    const double stored = kept(momentum, m[j]);
    u[j] =
        rule.nesterov ? rule.momentum * stored + (ema ? (1 - rule.momentum) * g[j] : g[j]) : stored;
  }
  return u;
}

}  // namespace orthokit::bench
