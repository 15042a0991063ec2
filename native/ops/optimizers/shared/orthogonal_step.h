#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/optimizers/shared/matrix_step.h"
#include "ops/optimizers/shared/momentum_form.h"
#include "ops/optimizers/shared/step.h"
#include "ops/products/newton_schulz.h"

namespace orthokit {

enum class ShapeScale : int32_t { kOriginal, kMatchRmsAdamw, kSpectral, kMax, kNone };
inline Words words(ShapeScale) {
  static constexpr const char* list[] = {"original", "match_rms_adamw", "spectral", "max", "none"};
  return list;
}

// The factor of lr for an orthogonal update of a matrix.
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

// Demands of a step's Newton–Schulz.
inline void check_iteration(auto require, const List<double>& coefficients, double eps,
                            double norm_scale) {
  require(coefficients.count % 3 == 0, ErrorCode::kArgument, "coefficients must come in threes",
          double(coefficients.count));
  for (double c : coefficients)
    require(std::isfinite(c), ErrorCode::kArgument, "coefficients must be finite", c);
  require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
  require(norm_scale > 0, ErrorCode::kArgument, "normScale must be positive", norm_scale);
}

// Shared fields of the steps that orthogonalize their momentum: momentum rule and Newton–Schulz
// coefficients.
struct OrthogonalStep {
  Step step;
  List<View> momenta;
  List<double> coefficients;  // a, b, c of each step
  double momentum = 0.95, dampening = 0, eps = 1e-7, norm_scale = 1;
  Nesterov nesterov = Nesterov::kOn;
  MomentumForm form = MomentumForm::kEma;
  WorkingDtype dtype = WorkingDtype::kOwn;  // of Newton–Schulz
  NsMethod method = NsMethod::kNewtonSchulz;

  MomentumRule rule() const { return {momentum, dampening, nesterov == Nesterov::kOn, form}; }
  double flops() const {
    double sum = step.flops(rule().flops());
    for (auto& w : step.weights)
      if (w.rank > 1)
        sum += newton_schulz_flops(
            matrices(w), steps_of(method, coefficients.count, working_dtype(dtype, w.dtype)),
            method);
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
    f.value("nsDtype", dtype), f.value("nsMethod", method);
  }
  void check(auto require) const {
    step.check(require);
    step.check_state(require, "momenta must be like weights", momenta);
    check_iteration(require, coefficients, eps, norm_scale);
    check_fraction(require, "momentum must be in [0, 1)", momentum);
    check_fraction(require, "dampening must be in [0, 1)", dampening);
    check_steps(require, "coefficients must be left out for nsMethod polar",
                "nsDtype must be f32 or f64 for nsMethod polar", method, coefficients.count, dtype);
  }
};

class Composer;

// Parameters whose matrices have one shape and dtype, in order: their updates are orthogonalized
// together. So many that they fill a device, no more: all of a group are in scratch memory at once.
using Group = std::vector<int64_t>;
std::vector<Group> groups_of(const List<View>& weights);
inline std::vector<Group> groups_of(const OrthogonalStep& op) { return groups_of(op.step.weights); }

// A group's momenta, or their look-ahead, once they are up to date: a batch of matrices, in
// temporaries of the caller's scope.
class MomentumUpdates {
 public:
  MomentumUpdates(const Step& all, const List<View>& momenta, const MomentumRule& rule,
                  const Group& group, Composer& composer);
  // The group's step whose gradients are the updates; borrows from this.
  Step step();
  int64_t count() const { return int64_t(weights_.size()); }
  const View& together() const { return together_; }
  // The momenta, of all parameters, get what the updates are by now.
  void commit_momenta(const List<View>& all, Composer& composer);

 private:
  List<View> list(std::vector<View>& views) const { return {views.data(), count()}; }

  const Step& all_;
  std::vector<View> weights_, masters_, updates_;
  View together_, grad_squares_;
  std::vector<double> rows_;  // of the statistics
};

// Their approximate polar factors.
class OrthogonalUpdates : public MomentumUpdates {
 public:
  OrthogonalUpdates(const OrthogonalStep& op, const Group& group, Composer& composer);
};

}  // namespace orthokit
