#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/optimizers/shared/matrix_step.h"
#include "ops/optimizers/shared/momentum_form.h"
#include "ops/optimizers/shared/orthogonalization.h"
#include "ops/optimizers/shared/step.h"

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

// Shared fields of the steps that orthogonalize their momentum: momentum rule and Newton–Schulz.
struct OrthogonalStep {
  Step step;
  List<View> momenta;
  Orthogonalization orthogonalization;
  double momentum = 0.95, dampening = 0;
  Nesterov nesterov = Nesterov::kOn;
  MomentumForm form = MomentumForm::kEma;

  MomentumRule rule() const { return {momentum, dampening, nesterov == Nesterov::kOn, form}; }
  double flops() const {
    double sum = step.flops(rule().flops());
    for (auto& w : step.weights)
      if (w.rank > 1) sum += orthogonalization.flops(matrices(w), w.dtype);
    return sum;
  }
  void operands(Fields& f) {
    step.operands(f);
    f.inout("momenta", momenta);
    orthogonalization.operands(f);
  }
  void values(Fields& f) {
    step.values(f);
    orthogonalization.values(f);
    f.value("momentum", momentum), f.value("dampening", dampening);
    f.value("nesterov", nesterov), f.value("momentumForm", form);
  }
  void check(auto require) const {
    step.check(require);
    step.check_state(require, "momenta must be like weights", momenta);
    orthogonalization.check(require);
    check_fraction(require, "momentum must be in [0, 1)", momentum);
    check_fraction(require, "dampening must be in [0, 1)", dampening);
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
