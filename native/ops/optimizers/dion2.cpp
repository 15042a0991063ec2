#include "ops/optimizers/dion2.h"

#include "core/composer.h"
#include "ops/elementwise/map.h"
#include "ops/optimizers/apply_update.h"
#include "ops/optimizers/commit.h"
#include "ops/optimizers/place_slices.h"
#include "ops/optimizers/take_slices.h"
#include "ops/reductions/column_reduce.h"
#include "ops/reductions/row_reduce.h"

namespace orthokit {
namespace {

// Σ|x| of each slice.
View sums_of(const View& x, SliceAxis axis, Composer& c) {
  const bool of_rows = axis == SliceAxis::kRows;
  const View sums = c.temporary({x.shape[0], x.shape[of_rows ? 1 : 2]}, Dtype::kF64);
  const Composer::Scope scope(c);
  const View sizes = c.temporary(x);
  c.run(Map{.out = {sizes}, .x = {x}, .function = MapFunction::kAbs});
  if (of_rows)
    c.run(RowReduce{.x = sizes, .out = sums});
  else
    c.run(ColumnReduce{.x = sizes, .out = sums});
  return sums;
}

}  // namespace

void dion2(const Dion2& op, Composer& c) {
  constexpr MomentumRule kSum{.momentum = 1, .form = MomentumForm::kHeavyBall};
  for (const Group& group : groups_of(op.step.weights)) {
    const Composer::Scope scope(c);
    MomentumUpdates updates(op.step, op.momenta, kSum, group, c);
    const View& together = updates.together();
    const Matrices all = matrices(op.step.weights[group[0]]), few = op.taken(all);
    const SliceAxis axis = all.rows <= all.columns ? SliceAxis::kRows : SliceAxis::kColumns;
    const View sums = sums_of(together, axis, c), places = c.temporary(shape_of(sums), Dtype::kI32),
               taken = c.temporary({together.shape[0], few.rows, few.columns}, together.dtype);
    c.run(TakeSlices{.x = together,
                     .scores = sums,
                     .places = places,
                     .out = taken,
                     .decay = op.ef_decay,
                     .axis = axis});
    updates.commit_momenta(op.momenta, c);
    c.run(NewtonSchulz{.x = taken,
                       .out = taken,
                       .coefficients = op.coefficients,
                       .eps = op.eps,
                       .scale = op.norm_scale,
                       .dtype = op.dtype,
                       .method = op.method});
    c.run(PlaceSlices{.x = taken, .places = places, .out = together, .axis = axis});
    std::vector<double> scales(group.size(), shape_scale(op.shape_scale, all));
    c.run(ApplyUpdate{.step = updates.step(), .scales = {scales.data(), updates.count()}});
  }
}
ORTHOKIT_COMPOSITION(Dion2, dion2);

}  // namespace orthokit
