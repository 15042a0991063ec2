#include "ops/products/gram_schmidt.h"

#include <vector>

#include "core/composer.h"
#include "ops/elementwise/linear_combination.h"
#include "ops/elementwise/scale_each.h"
#include "ops/gather/combine_rows.h"
#include "ops/products/gemm.h"
#include "ops/reductions/dots.h"
#include "ops/reductions/norms.h"

namespace orthokit {
namespace {

View part(const View& whole, int64_t first, std::initializer_list<int64_t> shape) {
  View view = whole;
  view.data = whole.as<std::byte>() + size_t(first) * bytes_of(whole.dtype);
  view.rank = 0;
  for (int64_t size : shape) view.shape[view.rank++] = size;
  return view;
}

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
    const View minus = c.temporary({rows}, Dtype::kF64);
    const View taken = c.temporary({1, size}, op.x.dtype), line = part(taken, 0, {size});
    for (const View& products : {part(op.out, 0, {rows}), minus}) {
      set_products(op.basis, op.x, products, c);
      c.run(LinearCombination{.out = {minus}, .terms = {products}, .coefficients = {-1}});
      c.run(CombineRows{.x = op.basis, .coefficients = part(minus, 0, {1, rows}), .out = taken});
      c.run(LinearCombination{.out = {op.x}, .terms = {op.x, line}, .coefficients = {1, 1}});
    }
  }
  const View inverse = c.temporary({1}, Dtype::kF64);
  c.run(Norms{.x = {op.x}, .out = length});
  c.run(Norms{.x = {length}, .out = inverse, .result = NormResult::kInverse});
  c.run(ScaleEach{.out = {op.x}, .x = {op.x}, .factors = inverse});
}
ORTHOKIT_COMPOSITION(GramSchmidt, gram_schmidt);

}  // namespace orthokit
