#include "ops/optimizers/nor_muon.h"

#include "core/composer.h"
#include "ops/reductions/column_reduce.h"
#include "ops/reductions/row_reduce.h"

namespace orthokit {
namespace {

// Sums of squares of the rows, or columns, of a group's updates, which lie one after the other.
View squares_of(const View& first, const RowMoments& all, Composer& c) {
  View together = first;
  const int64_t rows = all.of_columns ? all.elements : all.length,
                columns = all.of_columns ? all.length : all.elements;
  together.rank = 3;
  together.shape[0] = all.batch, together.shape[1] = rows, together.shape[2] = columns;
  const View squares = c.temporary({all.batch, all.length}, Dtype::kF64);
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
    RowMoments all = row_moments(step.weights[0], op.axis);
    for (int64_t i = 1; i < step.weights.count; ++i) all.batch += matrices(step.weights[i]).batch;
    const View together = squares_of(step.grads[0], all, c);

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
