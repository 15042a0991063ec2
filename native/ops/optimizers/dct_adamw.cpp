#include "ops/optimizers/dct_adamw.h"

#include "ops/elementwise/cast.h"
#include "ops/elementwise/fill.h"
#include "ops/optimizers/adamw.h"
#include "ops/optimizers/apply_update.h"
#include "ops/optimizers/carry_rows.h"
#include "ops/optimizers/commit.h"
#include "ops/optimizers/drop_small.h"
#include "ops/optimizers/shared/each_weight.h"
#include "ops/reductions/column_reduce.h"
#include "ops/rows/dequantize_rows.h"
#include "ops/rows/quantize_rows.h"

namespace orthokit {
namespace {

// The part of gradients that earlier steps have left, as numbers in the shape of the weight: zeros
// without errorFeedback.
class Feedback {
 public:
  Feedback(const DctAdamw& op, int64_t i, Composer& c) : op_(op), index_(i) {
    View& weight = op.step.weights[i];
    const Dtype dtype = arithmetic_dtype(weight);
    const bool is_whole = op.error_feedback == ErrorFeedback::kOn;
    if (is_whole && op.feedback[i].dtype == dtype) {
      values_ = op.feedback[i];
      return;
    }
    const Matrices m = matrices(weight);
    rows_ = c.temporary({m.batch * m.rows, m.columns}, dtype);
    values_ = shaped(rows_, weight);
    if (op.is_coded())
      c.run(DequantizeRows{
          .codes = op.feedback[i], .ranges = op.ranges[i], .out = rows_, .bits = op.bits()});
    else if (is_whole)
      c.run(Cast{.out = {&values_, 1}, .x = {&op.feedback[i], 1}});
    else
      c.run(Fill{.x = {&values_, 1}});
  }
  View& values() { return values_; }
  bool is_kept() const { return op_.error_feedback != ErrorFeedback::kOff; }
  // `rest`: what the step leaves of them.
  void keep(const View& rest, Composer& c) {
    View& feedback = op_.feedback[index_];
    View left = shaped(rest, values_);
    if (op_.is_coded())
      c.run(QuantizeRows{.x = shaped(rest, rows_),
                         .codes = feedback,
                         .ranges = op_.ranges[index_],
                         .guard = op_.step.guard,
                         .bits = op_.bits()});
    else
      c.run(Commit{.state = {&feedback, 1}, .x = {&left, 1}, .guard = op_.step.guard});
  }

 private:
  const DctAdamw& op_;
  const int64_t index_;
  View rows_, values_;
};

// Coordinates that are more than rounding: those of a column of `all` belong together.
void drop_rounding(const View& all, double least, Composer& c) {
  const View norms = c.temporary({all.shape[0], all.shape[2]}, Dtype::kF64);
  c.run(ColumnReduce{.x = all, .out = norms, .reduction = Reduction::kNorm});
  c.run(DropSmall{.x = all, .norms = norms, .out = all, .least = least});
}

// The step of AdamW in the coordinates `rows`.
View adamw_of(const DctAdamw& op, int64_t i, View rows, Composer& c) {
  View moved = c.temporary(rows);
  View momenta = shaped(op.momenta[i], rows), roots = shaped(op.roots[i], rows);
  c.run(Fill{.x = {&moved, 1}});
  c.run(
      Adamw{.step = {.weights = {&moved, 1}, .grads = {&rows, 1}, .guard = op.step.guard, .lr = -1},
            .momenta = {&momenta, 1},
            .roots = {&roots, 1},
            .steps = {&op.steps[i], 1},
            .beta1 = op.beta1,
            .beta2 = op.beta2,
            .eps = op.eps});
  return moved;
}

void count_step(const DctAdamw& op, int64_t i, Dtype dtype, Composer& c) {
  const Matrices m = op.inside(i);
  adamw_of(op, i, c.temporary({m.batch, m.rows, m.columns}, dtype), c);
}

// The direction of a weight that is not empty, made of x, which is gradient and feedback.
View direction(const DctAdamw& op, int64_t i, const View& x, Feedback& feedback, Composer& c) {
  View& weight = op.step.weights[i];
  const Matrices m = op.inside(i);
  CosineSubspace subspace(c, matrices(weight), x.dtype, op.basis, op.rank);
  const View all = subspace.coordinates(x);
  drop_rounding(all, op.least(i), c);
  const View chosen = subspace.largest(all), indices = shaped(op.indices[i], {m.batch, m.rows});
  View states[] = {shaped(op.momenta[i], {m.batch, m.rows, m.columns}),
                   shaped(op.roots[i], {m.batch, m.rows, m.columns})};
  c.run(CarryRows{.states = {states, op.rotate == Rotation::kOn ? 2 : 0},
                  .indices = indices,
                  .chosen = chosen,
                  .steps = op.steps[i],
                  .guard = op.step.guard,
                  .gap = op.gap});
  const View rows = subspace.rows(all, indices);
  if (feedback.is_kept()) {
    // Made of the other coordinates: x less what is taken would hold the rounding of that.
    View none = c.temporary(rows);
    c.run(Fill{.x = {&none, 1}});
    feedback.keep(subspace.matrix(subspace.spread(none, indices, all)), c);
  }
  return subspace.matrix(subspace.spread(adamw_of(op, i, rows, c), indices));
}

}  // namespace

void dct_adamw(const DctAdamw& op, Composer& c) {
  for_each_weight(op.step, c, [&](int64_t i, Step& step) {
    Feedback feedback(op, i, c);
    const View x = advanced(step, op.step.l2(), feedback.values(), sum_of_gradients(), c);
    View update = shaped(x, step.weights[0]);
    if (x.size() > 0)
      update = shaped(direction(op, i, x, feedback, c), update);
    else
      count_step(op, i, x.dtype, c);
    step.grads = {&update, 1};
    c.run(ApplyUpdate{.step = step});
  });
}
ORTHOKIT_COMPOSITION(DctAdamw, dct_adamw);

}  // namespace orthokit
