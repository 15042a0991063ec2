#include "ops/optimizers/nor_muon.h"

#include "core/composer.h"
#include "ops/reductions/column_reduce.h"
#include "ops/reductions/row_reduce.h"

namespace orthokit {
namespace {

// Sums of squares of the rows, or columns, of a group's updates.
View squares_of(const View& together, const RowMoments& all, Composer& c) {
  const View squares = c.temporary({together.shape[0], all.length}, Dtype::kF64);
  if (all.of_columns)
    c.run(ColumnReduce{.x = together, .out = squares, .reduction = Reduction::kSumOfSquares});
  else
    c.run(RowReduce{.x = together, .out = squares, .reduction = Reduction::kSumOfSquares});
  return squares;
}

}  // namespace

void nor_muon(const NorMuon& op, Composer& c) {
  for (const Group& group : groups_of(op.base)) {
    const Composer::Scope scope(c);
    OrthogonalUpdates updates(op.base, group, c);
    const Step step = updates.step();
    const RowMoments shape = row_moments(step.weights[0], op.axis);
    const View together = squares_of(updates.together(), shape, c);

    std::vector<View> squares, moments;
    int64_t at = 0;
    for (const int64_t i : group) {
      View own = op.second_moments[i];
      moments.push_back(own);
      own.dtype = Dtype::kF64, own.data = together.as<double>() + at;
      squares.push_back(own);
      at += own.size();
    }
    const Matrices m = matrices(step.weights[0]);
    std::vector<double> scales(group.size(), shape_scale(op.shape_scale, m));
    c.run(NormalizedUpdate{.step = step,
                           .squares = {squares.data(), updates.count()},
                           .second_moments = {moments.data(), updates.count()},
                           .scales = {scales.data(), updates.count()},
                           .beta2 = op.beta2,
                           .eps = op.row_eps,
                           .variant = op.variant,
                           .axis = op.axis});
  }
}
ORTHOKIT_COMPOSITION(NorMuon, nor_muon);

}  // namespace orthokit
