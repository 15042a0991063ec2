#include "ops/optimizers/conda.h"

#include "ops/elementwise/cast.h"
#include "ops/elementwise/fill.h"
#include "ops/elementwise/map.h"
#include "ops/optimizers/adam_in_basis.h"
#include "ops/optimizers/apply_update.h"
#include "ops/optimizers/refresh_basis.h"
#include "ops/optimizers/shared/each_weight.h"
#include "ops/products/gemm.h"
#include "ops/reductions/column_reduce.h"
#include "ops/reductions/row_reduce.h"

namespace orthokit {
namespace {

// The step of one parameter.
class CondaStep {
 public:
  CondaStep(const Conda& op, int64_t i, Step& step, Composer& c)
      : op_(op),
        index_(i),
        step_(step),
        p_(op.projection(i)),
        dtype_(arithmetic_dtype(op.step.weights[i])),
        basis_(shaped(op.bases[i], {p_.of.batch, p_.length(), p_.vectors()})),
        c_(c) {}

  void run() {
    const View x = advanced(step_, op_.step.l2(), op_.momenta[index_], {.momentum = op_.beta1}, c_);
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
    step_.grads = {&direction, 1};
    double scale = op_.scale * step_.keep();  // the decay is that of the new weights
    c_.run(ApplyUpdate{.step = step_, .scales = {&scale, 1}});
  }

 private:
  View& weight() const { return op_.step.weights[index_]; }

  // The gradient with its l2 decay, in the arithmetic of the step.
  View gradient() {
    const View& grad = step_.grads[0];
    const double l2 = op_.step.l2();
    if (l2 == 0 && grad.dtype == dtype_)
      return shaped(grad, {p_.of.batch, p_.of.rows, p_.of.columns});
    View x = shaped(like_matrices(weight(), c_), weight());
    if (l2 == 0) {
      c_.run(Cast{.out = {&x, 1}, .x = step_.grads});
      return shaped(x, {p_.of.batch, p_.of.rows, p_.of.columns});
    }
    Step step = step_;
    step.grad_squares = {};
    c_.run(Fill{.x = {&x, 1}});
    return advanced(step, l2, x, sum_of_gradients(), c_);
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
  Step& step_;
  const Projection p_;
  const Dtype dtype_;
  const View basis_;
  Composer& c_;
};

}  // namespace

void conda(const Conda& op, Composer& c) {
  for_each_weight(op.step, c, [&](int64_t i, Step& step) { CondaStep(op, i, step, c).run(); });
}
ORTHOKIT_COMPOSITION(Conda, conda);

}  // namespace orthokit
