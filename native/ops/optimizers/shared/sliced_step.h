// Steps that add gradients up, and orthogonalize those slices of the sum that have the largest
// 1-norms.
#pragma once
#include "ops/optimizers/shared/orthogonal_step.h"
#include "ops/optimizers/shared/slices.h"

namespace orthokit {

struct SlicedStep {
  Step step;
  List<View> momenta;
  Orthogonalization orthogonalization;
  double fraction = 0.25, ef_decay = 0.95;
  ShapeScale shape_scale = ShapeScale::kSpectral;

  // The matrices of those slices that are taken.
  Matrices taken(const Matrices& m, SliceAxis axis) const {
    const int64_t side = axis == SliceAxis::kRows ? m.rows : m.columns;
    const auto asked = int64_t(std::ceil(fraction * double(side)));
    const int64_t taken = std::min(side, std::max<int64_t>(1, asked));
    return axis == SliceAxis::kRows ? Matrices{m.batch, taken, m.columns}
                                    : Matrices{m.batch, m.rows, taken};
  }
  double flops(SliceAxis axis_of(const Matrices&)) const {
    double sum = step.flops(kMomentumFlops + 1);
    for (auto& w : step.weights) {
      if (w.rank < 2) continue;
      const Matrices m = matrices(w);
      sum += orthogonalization.flops(taken(m, axis_of(m)), w.dtype);
    }
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
    f.value("fraction", fraction), f.value("efDecay", ef_decay);
    f.value("shapeScale", shape_scale);
  }
  void check(auto require) const {
    step.check(require);
    step.check_state(require, "momenta must be like weights", momenta);
    orthogonalization.check(require);
    check_matrices(require, step.weights);
    require(fraction > 0 && fraction <= 1, ErrorCode::kArgument, "fraction must be in (0, 1]",
            fraction);
    require(ef_decay >= 0 && ef_decay <= 1, ErrorCode::kArgument, "efDecay must be in [0, 1]",
            ef_decay);
  }
};

// A group's updates: the slices taken, orthogonalized, and zeros. The momenta are brought up to
// date.
class SlicedUpdates : public MomentumUpdates {
 public:
  SlicedUpdates(const SlicedStep& op, SliceAxis axis, const Group& group, Composer& composer);
  // Of each slice of each matrix, as take_slices gives them.
  const View& places() const { return places_; }

 private:
  View places_;
};

}  // namespace orthokit
