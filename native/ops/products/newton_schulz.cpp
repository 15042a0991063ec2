#include "ops/products/newton_schulz.h"

#include <utility>

#include "core/composer.h"
#include "ops/elementwise/cast.h"
#include "ops/elementwise/scale_each.h"
#include "ops/products/gemm.h"
#include "ops/products/symmetric_product.h"
#include "ops/reductions/norms.h"

namespace orthokit {
namespace {

// y = x / (scale ‖x‖ + eps), each matrix by its own norm.
void normalize(const NewtonSchulz& op, const View& y, Composer& c) {
  const int64_t batch = y.shape[0];
  if (y.size() == 0) return;
  const View inverse = c.temporary({batch}, Dtype::kF64);
  std::vector<View> from, to;
  for (int64_t i = 0; i < batch; ++i)
    from.push_back(matrix_of(op.x, i)), to.push_back(matrix_of(y, i));
  c.run(Norms{.x = {from.data(), batch},
              .out = inverse,
              .eps = op.eps,
              .scale = op.scale,
              .result = NormResult::kInverse});
  c.run(ScaleEach{.out = {to.data(), batch}, .x = {from.data(), batch}, .factors = inverse});
}

// The Gram matrix of the short side, and the products with it.
struct ShortSide {
  bool wide;
  int64_t n;
  explicit ShortSide(const View& y) {
    const Matrices s = matrices(y);
    wide = s.rows <= s.columns, n = std::min(s.rows, s.columns);
  }
  SymmetricProduct gram(const View& y, const View& out) const {
    return {.a = y, .c = out, .trans = wide ? Transpose::kNone : Transpose::kTransposed};
  }
  Gemm product(const View& factor, const View& y, const View& out) const {
    return {.a = wide ? factor : y, .b = wide ? y : factor, .c = out};
  }
};

// a + b gram + c gram². gram is symmetric: gram gramᵀ = gram². The linear term rides on the
// diagonal.
SymmetricProduct polynomial(const double* p, const View& gram, const View& out) {
  return {.a = gram, .c = out, .addend = gram, .alpha = p[2], .beta = p[1], .diagonal = p[0]};
}

// Returns the tensor that has the result: `out`, if there is one and a step.
View plain_steps(const List<double>& coefficients, View y, const View& out, Composer& c) {
  const ShortSide side(y);
  View next = c.temporary(y);
  const View gram = c.temporary({y.shape[0], side.n, side.n}, y.dtype), poly = c.temporary(gram);
  const int64_t count = coefficients.count / 3;
  for (int64_t i = 0; i < count; ++i) {
    c.run(side.gram(y, gram));
    c.run(polynomial(&coefficients[3 * i], gram, poly));
    if (out && i + 1 == count) next = out;
    c.run(side.product(poly, y, next));
    std::swap(y, next);
  }
  return y;
}

// With r = y yᵀ and w = a + b r + c r² of a step: q ← q w, r ← w r w, and y ← q y in the end. All
// of them are polynomials of one symmetric matrix: they are symmetric, and commute.
View gram_steps(const NewtonSchulz& op, View y, const View& out, Composer& c) {
  const ShortSide side(y);
  View next = c.temporary(y);
  const View gram = c.temporary({y.shape[0], side.n, side.n}, y.dtype), poly = c.temporary(gram);
  View factor = c.temporary(gram), other = c.temporary(gram);
  const int64_t count = op.coefficients.count / 3;
  for (int64_t i = 0; i < count; ++i) {
    const bool fresh = i == 0 || restarts_at(i);  // q is the identity
    const bool last = i + 1 == count || restarts_at(i + 1);
    if (restarts_at(i)) {
      c.run(side.product(factor, y, next));
      std::swap(y, next);
    }
    if (fresh) c.run(side.gram(y, gram));
    const View w = fresh ? factor : poly;
    c.run(polynomial(&op.coefficients[3 * i], gram, w));
    if (!last) {
      c.run(SymmetricProduct{.a = gram, .c = other, .b = w});
      c.run(SymmetricProduct{.a = other, .c = gram, .b = w});
    }
    if (!fresh) {
      c.run(SymmetricProduct{.a = factor, .c = other, .b = w});
      std::swap(factor, other);
    }
  }
  if (out) next = out;
  c.run(side.product(factor, y, next));
  return next;
}

}  // namespace

void newton_schulz(const NewtonSchulz& op, Composer& c) {
  const Matrices s = matrices(op.x);
  View y = c.temporary({s.batch, s.rows, s.columns}, working_dtype(op.dtype, op.x.dtype));
  normalize(op, y, c);
  View out = op.out;
  out.rank = y.rank;
  std::copy_n(y.shape, kMaxRank, out.shape);
  const View in_place = out.dtype == y.dtype ? out : View{};
  if (op.method == NsMethod::kPolar) {
    std::vector<double> steps = polar_coefficients(y.dtype);
    y = plain_steps({steps.data(), int64_t(steps.size())}, y, in_place, c);
  } else if (uses_gram(op.method, s, op.coefficients.count / 3)) {
    y = gram_steps(op, y, in_place, c);
  } else {
    y = plain_steps(op.coefficients, y, in_place, c);
  }
  if (y.data != out.data) c.run(Cast{.out = {out}, .x = {y}});
}
ORTHOKIT_COMPOSITION(NewtonSchulz, newton_schulz);

}  // namespace orthokit
