#include "ops/products/gram_schmidt.h"

#include <vector>

#include "core/composer.h"
#include "ops/elementwise/copy.h"
#include "ops/elementwise/linear_combination.h"
#include "ops/elementwise/scale_each.h"
#include "ops/gather/combine_rows.h"
#include "ops/products/gemm.h"
#include "ops/products/shared/part.h"
#include "ops/reductions/dots.h"
#include "ops/reductions/norms.h"

namespace orthokit {
namespace {

// products = B x
void set_products(const View& basis, const View& x, const View& products, Composer& c) {
  const int64_t rows = basis.shape[0], size = x.size();
  if (x.dtype == Dtype::kF64) {
    c.run(Gemm{.a = basis, .b = part(x, 0, {size, 1}), .c = part(products, 0, {rows, 1})});
    return;
  }
  std::vector<View> each, same(size_t(rows), x);
  for (int64_t i = 0; i < rows; ++i) each.push_back(part(basis, i * size, {size}));
  c.run(Dots{.x = {each.data(), rows}, .y = {same.data(), rows}, .out = products});
}

}  // namespace

void gram_schmidt(const GramSchmidt& op, Composer& c) {
  const int64_t rows = op.basis.shape[0], size = op.x.size();
  const View length = part(op.out, rows, {1});
  if (rows > 0) {
    const int64_t first = op.first(), before = rows - first;
    const View minus = c.temporary({rows}, Dtype::kF64), again = c.temporary({rows}, Dtype::kF64);
    const View taken = c.temporary({1, size}, op.x.dtype), line = part(taken, 0, {size});
    const auto take = [&](int64_t from, const View& products) {
      const View some = part(op.basis, from * size, {rows - from, size});
      const View less = part(minus, 0, {rows - from});
      set_products(some, op.x, products, c);
      c.run(LinearCombination{.out = {less}, .terms = {products}, .coefficients = {-1}});
      c.run(CombineRows{.x = some, .coefficients = part(less, 0, {1, rows - from}), .out = taken});
      c.run(LinearCombination{.out = {op.x}, .terms = {op.x, line}, .coefficients = {1, 1}});
    };
    take(before, part(op.out, before, {first}));
    take(0, again);
    if (before > 0)
      c.run(Copy{.out = {part(op.out, 0, {before})}, .x = {part(again, 0, {before})}});
  }
  const View inverse = c.temporary({1}, Dtype::kF64);
  c.run(Norms{.x = {op.x}, .out = length});
  c.run(Norms{.x = {length}, .out = inverse, .result = NormResult::kInverse});
  c.run(ScaleEach{.out = {op.x}, .x = {op.x}, .factors = inverse});
}
ORTHOKIT_COMPOSITION(GramSchmidt, gram_schmidt);

}  // namespace orthokit
