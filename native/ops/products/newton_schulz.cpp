#include "ops/products/newton_schulz.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/composer.h"
#include "ops/elementwise/cast.h"
#include "ops/elementwise/scale_each.h"
#include "ops/products/gemm.h"
#include "ops/products/shared/gram_scaling.h"
#include "ops/products/shared/short_side.h"
#include "ops/products/symmetric_product.h"
#include "ops/reductions/norms.h"

namespace orthokit {
namespace {

// Matrices that the steps begin with, and their Gram matrices of the short side, or a place for
// them.
struct Start {
  View y, gram;
  bool has_gram;
};

// y = x / (scale ‖x‖ + eps), each matrix by its own norm.
void normalize(const View& x, double scale, double eps, const View& y, Composer& c) {
  const int64_t batch = y.shape[0];
  if (y.size() == 0) return;
  const View inverse = c.temporary({batch}, Dtype::kF64);
  std::vector<View> from, to;
  for (int64_t i = 0; i < batch; ++i)
    from.push_back(matrix_of(x, i)), to.push_back(matrix_of(y, i));
  c.run(Norms{.x = {from.data(), batch},
              .out = inverse,
              .eps = eps,
              .scale = scale,
              .result = NormResult::kInverse});
  c.run(ScaleEach{.out = {to.data(), batch}, .x = {from.data(), batch}, .factors = inverse});
}

Start start_of(const NewtonSchulz& op, Composer& c) {
  const Matrices s = matrices(op.x);
  const Dtype working = working_dtype(op.dtype, op.x.dtype);
  const int64_t n = std::min(s.rows, s.columns);
  const View y = c.temporary({s.batch, s.rows, s.columns}, working),
             gram = c.temporary({s.batch, n, n}, working);
  if (op.scaling == NsScaling::kFrobenius) {
    normalize(op.x, op.scale, op.eps, y, c);
    return {y, gram, false};
  }
  if (!is_half(working)) {
    normalize(op.x, 1, op.eps, y, c);
    scale_by_gram(op.scaling, op.scale, y, gram, c);
    return {y, gram, true};
  }
  const Composer::Scope scope(c);
  const View wide = c.temporary(shape_of(y), Dtype::kF32);
  normalize(op.x, 1, op.eps, wide, c);
  scale_by_gram(op.scaling, op.scale, wide, c.temporary(shape_of(gram), Dtype::kF32), c);
  c.run(Cast{.out = {y}, .x = {wide}});
  return {y, gram, false};
}

// a + b gram + c gram². gram is symmetric: gram gramᵀ = gram². The linear term rides on the
// diagonal.
SymmetricProduct polynomial(const double* p, const View& gram, const View& out) {
  return {.a = gram, .c = out, .addend = gram, .alpha = p[2], .beta = p[1], .diagonal = p[0]};
}

// Returns the tensor that has the result: `out`, if there is one and a step. start.y stays where it
// is kept.
View plain_steps(const List<double>& coefficients, const Start& start, const View& out, bool kept,
                 Composer& c) {
  const ShortSide side(start.y);
  View y = start.y, next = c.temporary(y), after = kept ? c.temporary(y) : y;
  const View gram = start.gram, poly = c.temporary(gram);
  const int64_t count = coefficients.count / 3;
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0 || !start.has_gram) c.run(side.gram(y, gram));
    c.run(polynomial(&coefficients[3 * i], gram, poly));
    if (out && i + 1 == count) next = out;
    c.run(side.product(poly, y, next));
    y = next, next = after, after = y;
  }
  return y;
}

// The largest result of the steps of some 1000 singular values in (0, 1], at least 1; with each
// factor off by so much of its terms.
double largest_result(const List<double>& coefficients, double off) {
  constexpr int kPlaces = 1000;
  double largest = 1;
  for (int place = 1; place <= kPlaces; ++place) {
    double x = double(place) / kPlaces;
    for (int64_t i = 0; i < coefficients.count; i += 3) {
      const double square = x * x, a = coefficients[i], b = coefficients[i + 1] * square,
                   c = coefficients[i + 2] * square * square;
      x *= a + b + c + off * (std::abs(a) + std::abs(b) + std::abs(c));
    }
    if (std::isnan(x)) return HUGE_VAL;
    largest = std::max(largest, std::abs(x));
  }
  return largest;
}

// The largest result of the steps, and whether rounding to 16 bits may make more of it. The last is
// kept: a step of an optimizer asks the same of one matrix after the other.
constexpr double kAllowance = 1.5;
struct Results {
  double largest = 1;
  bool may_grow = false;
};
Results results_of(const List<double>& coefficients) {
  constexpr double kRounding = 0x1p-8;
  static thread_local std::vector<double> known;
  static thread_local Results results;
  if (!std::equal(known.begin(), known.end(), coefficients.begin(), coefficients.end())) {
    known.assign(coefficients.begin(), coefficients.end());
    results.largest = largest_result(coefficients, 0);
    const double rounded =
        std::max(largest_result(coefficients, -kRounding), largest_result(coefficients, kRounding));
    results.may_grow = !(rounded <= kAllowance * results.largest);
  }
  return results;
}

// The steps from start.y once more, for those matrices of y that cannot be their result.
void check_result(const NewtonSchulz& op, const Start& start, const View& y, Composer& c) {
  if (y.size() == 0) return;
  const View norms = c.temporary({y.shape[0]}, Dtype::kF64);
  std::vector<View> all;
  for (int64_t i = 0; i < y.shape[0]; ++i) all.push_back(matrix_of(y, i));
  c.run(Norms{.x = {all.data(), y.shape[0]}, .out = norms});
  c.run(RedoSteps{.x = start.y,
                  .norms = norms,
                  .out = y,
                  .count = op.fallbacks,
                  .coefficients = op.coefficients,
                  .limit = kAllowance * results_of(op.coefficients).largest});
}

// With r = y yᵀ and w = a + b r + c r² of a step: q ← q w, r ← w r w, and y ← q y in the end. All
// of them are polynomials of one symmetric matrix: they are symmetric, and commute. start.y stays.
View gram_steps(const NewtonSchulz& op, const Start& start, const View& out, Composer& c) {
  const ShortSide side(start.y);
  View y = start.y, next = c.temporary(y), gram = start.gram;
  View after = op.restarts.count > 1 || !out ? c.temporary(y) : View{};
  const View poly = c.temporary(gram);
  View factor = c.temporary(gram), other = c.temporary(gram);
  const int64_t count = op.coefficients.count / 3;
  for (int64_t i = 0; i < count; ++i) {
    const bool renewed = restarts_at(op.restarts, i),
               fresh = i == 0 || renewed,  // q is the identity
        last = i + 1 == count || restarts_at(op.restarts, i + 1);
    if (renewed) {
      c.run(side.product(factor, y, next));
      y = next;
      std::swap(next, after);
    }
    if (renewed || (i == 0 && !start.has_gram)) c.run(side.gram(y, gram));
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
  check_result(op, start, next, c);
  return next;
}

// All matrices of op.x together.
void take_steps(const NewtonSchulz& op, Composer& c) {
  const Start start = start_of(op, c);
  View y = start.y, out = op.out;
  out.rank = y.rank;
  std::copy_n(y.shape, kMaxRank, out.shape);
  const View in_place = out.dtype == y.dtype ? out : View{};
  if (op.method == NsMethod::kPolar) {
    std::vector<double> steps = polar_coefficients(y.dtype);
    y = plain_steps({steps.data(), int64_t(steps.size())}, start, in_place, false, c);
  } else if (op.steps().on_gram(matrices(op.x))) {
    y = gram_steps(op, start, in_place, c);
  } else {
    const bool checked = is_half(y.dtype) && results_of(op.coefficients).may_grow;
    y = plain_steps(op.coefficients, start, in_place, checked, c);
    if (checked) check_result(op, start, y, c);
  }
  if (y.data != out.data) c.run(Cast{.out = {out}, .x = {y}});
}

// On a CPU as many matrices as the second cache of each thread holds through all steps; more, where
// their products would be too few for all threads to wait for each other. A GPU takes all at once.
int64_t matrices_at_once(const NewtonSchulz& op, const Composer& c) {
  constexpr int64_t kNearBytes = int64_t(384) << 10, kLeastProducts = int64_t(3) << 19;
  constexpr int64_t kLong = 2, kSquare = 2;  // matrices as long as x, and of the short side alone
  const Matrices s = matrices(op.x);
  const int64_t n = std::min(s.rows, s.columns), size = std::max<int64_t>(1, s.rows * s.columns),
                bytes = (kLong * size + kSquare * n * n) *
                        int64_t(bytes_of(working_dtype(op.dtype, op.x.dtype))),
                products = size * std::max<int64_t>(1, n);
  if (c.threads() == 0) return std::max<int64_t>(1, s.batch);
  return c.threads() * std::max({int64_t(1), kNearBytes / bytes, kLeastProducts / products});
}

}  // namespace

void newton_schulz(const NewtonSchulz& op, Composer& c) {
  const int64_t batch = matrices(op.x).batch, most = matrices_at_once(op, c);
  if (batch <= most) return take_steps(op, c);
  for (int64_t first = 0; first < batch; first += most) {
    const Composer::Scope scope(c);
    const int64_t count = std::min(most, batch - first);
    NewtonSchulz part = op;
    part.x = matrices_of(op.x, first, count), part.out = matrices_of(op.out, first, count);
    take_steps(part, c);
  }
}
ORTHOKIT_COMPOSITION(NewtonSchulz, newton_schulz);

}  // namespace orthokit
