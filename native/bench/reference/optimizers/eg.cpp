#include "ops/optimizers/eg.h"

#include "bench/reference/optimizers/shared/step.h"
#include "math/exponentiated.h"

namespace orthokit::bench {

static double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }

// Adam's direction; moments in place.
static double adam_direction(const Eg& op, double g, double& m, double& r, double count) {
  m = op.beta1 * m + (1 - op.beta1) * g;
  r = root_of_squares(std::sqrt(op.beta2) * r, std::sqrt(1 - op.beta2) * g);
  const double divisor = r / std::sqrt(1 - std::pow(op.beta2, count)) + op.eps;
  return divisor == 0 ? 0 : m / (1 - std::pow(op.beta1, count)) / divisor;
}

static thread_local bool is_near_cut = false;  // in the last run: rounding may tell which is cut

// w ← w exp(−lr sign(w) u), decayed; what the statistics hold.
static void multiply(const Step& step, int64_t t, const Vector& u) {
  double* w = weights_of(step, t);
  long double squares = 0;
  double cuts = 0;
  for (size_t i = 0; i < u.size(); ++i) {
    const double size = std::abs(w[i]), exponent = w[i] == 0 ? 0 : -step.lr * sign_of(w[i]) * u[i];
    const double cut = exponent > math::kMostEgExponent    ? math::kMostEgExponent
                       : exponent < -math::kMostEgExponent ? -math::kMostEgExponent
                                                           : exponent;
    const double low = std::min(size, math::kLeastEgSize), high = std::max(size, math::kMostEgSize);
    const auto within = [&](double x) { return x < low ? low : x > high ? high : x; };
    const double grown = size * std::exp(cut);
    const double moved = grown == within(grown) ? size * std::expm1(cut) : within(grown) - size;
    const bool cautious = step.weight_decay_mode == WeightDecayMode::kCautious;
    const double kept = cautious && exponent <= 0 ? 1 - step.cautious() : step.keep();
    const double decayed = kept * within(grown);
    w[i] = std::copysign(decayed < low ? low : decayed, w[i]);
    values(step.weights[t])[i] = w[i];
    squares += static_cast<long double>(moved) * moved;
    cuts += cut != exponent && !std::isnan(exponent);
    is_near_cut |=
        !std::isfinite(exponent) || std::abs(std::abs(exponent) / math::kMostEgExponent - 1) < 1e-3;
  }
  note(step, t, double(squares), cuts);
}

static void eg(const Eg& op) {
  const Step& step = op.step;
  is_near_cut = false;
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    Vector u = decayed_gradient(step, t);
    if (op.shrink != 0)
      for (size_t i = 0; i < u.size(); ++i) u[i] += op.shrink * sign_of(weights_of(step, t)[i]);
    if (op.variant == EgVariant::kAdamw) {
      const double count = ++*values(op.steps[t]);
      for (size_t i = 0; i < u.size(); ++i)
        u[i] = adam_direction(op, u[i], values(op.momenta[t])[i], values(op.roots[t])[i], count);
    } else if (op.momenta.count > 0) {
      const bool first = ++*values(op.steps[t]) == 1;
      u = advance(op.rule(), op.momenta[t], u, first);
    }
    multiply(step, t, u);
  }
}
ORTHOKIT_REFERENCE(Eg, eg, kElementwise);

static double term_of(const Eg&, std::string_view tensor) {
  return is_near_cut && tensor == "statistics" ? kUnsteady : 0;
}
ORTHOKIT_SOME_TERMS(Eg, term_of);

}  // namespace orthokit::bench
