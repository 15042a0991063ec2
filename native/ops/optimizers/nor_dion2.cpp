#include "ops/optimizers/nor_dion2.h"

#include "core/composer.h"
#include "ops/reductions/row_reduce.h"

namespace orthokit {

// The part of each parameter of a group in what its matrices have, row by row.
static std::vector<View> parts_of(const View& together, const List<View>& like,
                                  const Group& group) {
  std::vector<View> parts;
  auto* data = together.as<std::byte>();
  for (const int64_t i : group) {
    View own = like[i];
    own.dtype = together.dtype, own.data = data;
    parts.push_back(own);
    data += bytes_in(own);
  }
  return parts;
}

void nor_dion2(const NorDion2& op, Composer& c) {
  for (const Group& group : groups_of(op.base.step.weights)) {
    const Composer::Scope scope(c);
    const Matrices m = matrices(op.base.step.weights[group[0]]);
    SlicedUpdates updates(op.base, op.axis_of(m), group, c);
    const View sums = c.temporary(shape_of(updates.places()), Dtype::kF64);
    c.run(RowReduce{.x = updates.together(), .out = sums, .reduction = Reduction::kSumOfSquares});
    std::vector<View> squares = parts_of(sums, op.second_moments, group),
                      places = parts_of(updates.places(), op.second_moments, group), moments;
    for (const int64_t i : group) moments.push_back(op.second_moments[i]);
    std::vector<double> scales(group.size(), shape_scale(op.base.shape_scale, m));
    c.run(NormalizedUpdate{.step = updates.step(),
                           .squares = {squares.data(), updates.count()},
                           .second_moments = {moments.data(), updates.count()},
                           .places = {places.data(), updates.count()},
                           .scales = {scales.data(), updates.count()},
                           .beta2 = op.beta2,
                           .eps = op.row_eps,
                           .variant = NorMuonVariant::kDion});
  }
}
ORTHOKIT_COMPOSITION(NorDion2, nor_dion2);

}  // namespace orthokit
