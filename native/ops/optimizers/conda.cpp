#include "ops/optimizers/conda.h"

#include "core/composer.h"
#include "ops/elementwise/fill.h"
#include "ops/elementwise/map.h"
#include "ops/optimizers/adam_in_basis.h"
#include "ops/optimizers/apply_update.h"
#include "ops/optimizers/momentum.h"
#include "ops/optimizers/refresh_basis.h"
#include "ops/products/gemm.h"
#include "ops/reductions/column_reduce.h"
#include "ops/reductions/row_reduce.h"

namespace orthokit {
namespace {

View as_batch(View x, int64_t batch, int64_t rows, int64_t columns) {
  x.rank = 3, x.shape[0] = batch, x.shape[1] = rows, x.shape[2] = columns;
  return x;
}

// The step of one parameter.
class CondaStep {
 public:
  CondaStep(const Conda& op, int64_t i, Composer& c)
      : op_(op),
        index_(i),
        step_(op.step.only(i)),
        p_(op.projection(i)),
        dtype_(arithmetic_dtype(op.step.weights[i])),
        basis_(as_batch(op.bases[i], p_.of.batch, p_.length(), p_.vectors())),
        c_(c) {}

  void run() {
    const View x = like_weight();
    if (step_.statistics) step_.grad_squares = c_.temporary({1}, Dtype::kF64);
    advance_momentum(x);
    if (x.size() > 0)
      c_.run(RefreshBasis{.x = x,
                          .steps = op_.steps[index_],
                          .guard = step_.guard,
                          .basis = basis_,
                          .gap = op_.gap,
                          .side = op_.side});
    const View u = update(x);
    unproject(u, x);
    View direction = shaped(x, weight());
    Step step = without_l2(step_);
    step.grads = {&direction, 1};
    double scale = op_.scale * step.keep();  // the decay is that of the new weights
    c_.run(ApplyUpdate{.step = step, .scales = {&scale, 1}});
  }

 private:
  View& weight() const { return op_.step.weights[index_]; }
  View like_weight() { return c_.temporary({p_.of.batch, p_.of.rows, p_.of.columns}, dtype_); }

  // x = m. Under a guard x is 0, and so is all that follows from it.
  void advance_momentum(const View& x) {
    View out = shaped(x, weight());
    c_.run(Momentum{.grads = {&op_.step.grads[index_], 1},
                    .momenta = {&op_.momenta[index_], 1},
                    .out = {&out, 1},
                    .weights = {&weight(), 1},
                    .masters = step_.masters,
                    .guard = step_.guard,
                    .squares = step_.grad_squares,
                    .momentum = op_.beta1,
                    .l2 = step_.l2()});
  }
  // The gradient with its l2 decay, in the dtype of the step.
  View gradient() {
    View& grad = op_.step.grads[index_];
    if (grad.dtype == dtype_ && step_.l2() == 0)
      return as_batch(grad, p_.of.batch, p_.of.rows, p_.of.columns);
    View zeros = shaped(like_weight(), weight()), g = shaped(like_weight(), weight());
    c_.run(Fill{.x = {&zeros, 1}});
    c_.run(Momentum{.grads = {&grad, 1},
                    .momenta = {&zeros, 1},
                    .out = {&g, 1},
                    .weights = {&weight(), 1},
                    .masters = step_.masters,
                    .guard = step_.guard,
                    .momentum = 0,
                    .l2 = step_.l2(),
                    .form = MomentumForm::kHeavyBall});
    return as_batch(g, p_.of.batch, p_.of.rows, p_.of.columns);
  }

  View projected(const View& x) {
    const View out = c_.temporary({p_.of.batch, p_.rows(), p_.columns()}, dtype_);
    if (p_.is_left)
      c_.run(Gemm{.a = basis_, .b = x, .c = out, .trans_a = Transpose::kTransposed});
    else
      c_.run(Gemm{.a = x, .b = basis_, .c = out});
    return out;
  }
  void unproject(const View& u, const View& x) {
    if (p_.is_left)
      c_.run(Gemm{.a = basis_, .b = u, .c = x});
    else
      c_.run(Gemm{.a = u, .b = basis_, .c = x, .trans_b = Transpose::kTransposed});
  }
  // Of the rows that are projected, or of the columns.
  View norms_of(const View& x) {
    const View norms =
        c_.temporary({p_.of.batch, p_.is_left ? p_.of.columns : p_.of.rows}, Dtype::kF64);
    if (p_.is_left)
      c_.run(ColumnReduce{.x = x, .out = norms, .reduction = Reduction::kNorm});
    else
      c_.run(RowReduce{.x = x, .out = norms, .reduction = Reduction::kNorm});
    return norms;
  }
  // The largest entry of each vector.
  View sizes_of_vectors() {
    const View sizes = c_.temporary({p_.of.batch, p_.vectors()}, Dtype::kF64);
    View entries = c_.temporary(basis_), basis = basis_;
    c_.run(Map{.out = {&entries, 1}, .x = {&basis, 1}, .function = MapFunction::kAbs});
    c_.run(ColumnReduce{.x = entries, .out = sizes, .reduction = Reduction::kMax});
    return sizes;
  }
  View update(const View& m) {
    const View out = c_.temporary({p_.of.batch, p_.rows(), p_.columns()}, dtype_);
    const Composer::Scope scope(c_);
    const View g = gradient();
    c_.run(AdamInBasis{.momentum = projected(m),
                       .grad = projected(g),
                       .norms = norms_of(g),
                       .momentum_norms = norms_of(m),
                       .sizes = sizes_of_vectors(),
                       .guard = step_.guard,
                       .roots = op_.roots[index_],
                       .steps = op_.steps[index_],
                       .out = out,
                       .beta1 = op_.beta1,
                       .beta2 = op_.beta2,
                       .eps = op_.eps,
                       .least = op_.least_of_gradient(index_),
                       .least_of_momentum = op_.least_of_momentum(index_),
                       .axis = p_.is_left ? SliceAxis::kColumns : SliceAxis::kRows});
    return out;
  }

  const Conda& op_;
  const int64_t index_;
  Step step_;
  const Projection p_;
  const Dtype dtype_;
  const View basis_;
  Composer& c_;
};

}  // namespace

void conda(const Conda& op, Composer& c) {
  for (int64_t i = 0; i < op.step.weights.count; ++i) {
    const Composer::Scope scope(c);
    CondaStep(op, i, c).run();
  }
}
ORTHOKIT_COMPOSITION(Conda, conda);

}  // namespace orthokit
