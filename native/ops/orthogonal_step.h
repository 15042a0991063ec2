#pragma once
#include <algorithm>
#include <cmath>

#include "ops/momentum_form.h"
#include "ops/newton_schulz.h"
#include "ops/step.h"

namespace orthokit {

enum class ShapeScale : int32_t { kOriginal, kMatchRmsAdamw, kSpectral, kMax, kNone };
inline Words words(ShapeScale) {
  static constexpr const char* list[] = {"original", "match_rms_adamw", "spectral", "max", "none"};
  return list;
}

// What multiplies lr for an orthogonal update of a matrix.
inline double shape_scale(ShapeScale rule, const Matrices& m) {
  const double rows = double(m.rows), columns = double(m.columns), longer = std::max(rows, columns);
  if (m.rows == 0 || m.columns == 0) return 1;
  switch (rule) {
    case ShapeScale::kOriginal:
      return std::sqrt(std::max(1.0, rows / columns));
    case ShapeScale::kMatchRmsAdamw:
      return 0.2 * std::sqrt(longer);
    case ShapeScale::kSpectral:
      return std::sqrt(rows / columns);
    case ShapeScale::kMax:
      return std::sqrt(longer);
    default:
      return 1;
  }
}

// What the steps that orthogonalize their momentum share: momentum rule and Newton–Schulz
// coefficients.
struct OrthogonalStep {
  Step step;
  List<View> momenta;
  List<double> coefficients;  // a, b, c of each step
  double momentum = 0.95, dampening = 0, eps = 1e-7, norm_scale = 1;
  Nesterov nesterov = Nesterov::kOn;
  MomentumForm form = MomentumForm::kEma;

  MomentumRule rule() const { return {momentum, dampening, nesterov == Nesterov::kOn, form}; }
  double flops() const {
    double sum = step.flops(rule().flops());
    for (auto& w : step.weights)
      if (w.rank > 1) sum += newton_schulz_flops(matrices(w), coefficients.count / 3);
    return sum;
  }
  void operands(Fields& f) {
    step.operands(f);
    f.inout("momenta", momenta);
  }
  void values(Fields& f) {
    step.values(f);
    f.value("coefficients", coefficients);
    f.value("momentum", momentum), f.value("dampening", dampening);
    f.value("eps", eps), f.value("normScale", norm_scale);
    f.value("nesterov", nesterov), f.value("momentumForm", form);
  }
  void check() const {
    step.check();
    step.check_state("momenta must be like weights", momenta);
    require(coefficients.count % 3 == 0, ErrorCode::kArgument, "coefficients must come in threes",
            double(coefficients.count));
    for (double c : coefficients)
      require(std::isfinite(c), ErrorCode::kArgument, "coefficients must be finite", c);
    check_fraction("momentum must be in [0, 1)", momentum);
    check_fraction("dampening must be in [0, 1)", dampening);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
    require(norm_scale > 0, ErrorCode::kArgument, "normScale must be positive", norm_scale);
  }
};

inline void check_matrices(const List<View>& weights) {
  for (auto& w : weights)
    require(w.rank >= 2, ErrorCode::kShape, "weights must have rank 2 or more", w);
}

// l2 decay has its place in the gradient; what applies the finished update must not add it again.
inline Step without_l2(Step step) {
  if (step.weight_decay_mode == WeightDecayMode::kL2) step.weight_decay = 0;
  return step;
}

class Device;
// The approximate polar factor of parameter i's momentum, or of its look-ahead, once the momentum
// is up to date: a temporary of the caller's scope.
struct OrthogonalUpdate {
  View value;
  View squares;  // Σg², f64[1]; none if the step has no statistics
};
OrthogonalUpdate orthogonal_update(const OrthogonalStep& op, int64_t i, Device& device);
// What the applying op noted as Σg² was of the update: puts the gradient's in its place.
void restore_gradient_sum(const Step& step, const OrthogonalUpdate& update, Device& device);

}  // namespace orthokit
