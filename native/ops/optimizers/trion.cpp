#include "ops/optimizers/trion.h"

#include "ops/optimizers/apply_update.h"
#include "ops/optimizers/shared/each_weight.h"
#include "ops/products/newton_schulz.h"

namespace orthokit {

void trion(const Trion& op, Composer& c) {
  for_each_weight(op.step, c, [&](int64_t i, Step& step) {
    View &weight = step.weights[0], &momentum = op.momenta[i];
    const View x = advanced(step, op.step.l2(), momentum, sum_of_gradients(), c);
    View update = shaped(x, weight);
    if (x.size() > 0) {
      CosineSubspace subspace(c, matrices(weight), x.dtype, op.basis, op.rank);
      const View all = subspace.coordinates(x), indices = subspace.largest(all),
                 rows = subspace.rows(all, indices);
      View inside = shaped(subspace.matrix(subspace.spread(rows, indices)), momentum);
      c.run(ApplyUpdate{.step = {.weights = {&momentum, 1},
                                 .grads = {&inside, 1},
                                 .guard = step.guard,
                                 .lr = 1 - op.momentum}});
      c.run(op.orthogonalization.of(rows));
      update = shaped(subspace.matrix(subspace.spread(rows, indices)), weight);
    }
    step.grads = {&update, 1};
    double scale = shape_scale(op.shape_scale, matrices(weight));
    c.run(ApplyUpdate{.step = step, .scales = {&scale, 1}});
  });
}
ORTHOKIT_COMPOSITION(Trion, trion);

}  // namespace orthokit
