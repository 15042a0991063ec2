#include "ops/optimizers/shared/sliced_step.h"

#include "core/composer.h"
#include "ops/elementwise/map.h"
#include "ops/optimizers/place_slices.h"
#include "ops/optimizers/take_slices.h"
#include "ops/products/newton_schulz.h"
#include "ops/reductions/column_reduce.h"
#include "ops/reductions/row_reduce.h"

namespace orthokit {
namespace {

constexpr MomentumRule kSum{.momentum = 1, .form = MomentumForm::kHeavyBall};

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

SlicedUpdates::SlicedUpdates(const SlicedStep& op, SliceAxis axis, const Group& group, Composer& c)
    : MomentumUpdates(op.step, op.momenta, kSum, group, c) {
  const View& all = together();
  const Matrices few = op.taken(matrices(op.step.weights[group[0]]), axis);
  const View sums = sums_of(all, axis, c),
             taken = c.temporary({all.shape[0], few.rows, few.columns}, all.dtype);
  places_ = c.temporary(shape_of(sums), Dtype::kI32);
  c.run(TakeSlices{.x = all,
                   .scores = sums,
                   .places = places_,
                   .out = taken,
                   .decay = op.ef_decay,
                   .axis = axis});
  commit_momenta(op.momenta, c);
  c.run(op.orthogonalization.of(taken));
  c.run(PlaceSlices{.x = taken, .places = places_, .out = all, .axis = axis});
}

}  // namespace orthokit
