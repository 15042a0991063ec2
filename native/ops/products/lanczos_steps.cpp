#include "ops/products/lanczos_steps.h"

#include "core/composer.h"
#include "ops/elementwise/copy.h"
#include "ops/elementwise/fill.h"
#include "ops/products/gemm.h"
#include "ops/products/shared/part.h"

namespace orthokit {

static void lanczos_steps(const LanczosSteps& op, Composer& c) {
  const int64_t n = op.size();
  if (n == 0) return c.run(Fill{.x = {op.out}});
  const View products = c.temporary({op.from + op.steps() + 1}, Dtype::kF64);
  for (int64_t step = 0; step < op.steps(); ++step) {
    const int64_t row = op.from + step, after = (row + 1) * n;
    if (op.matrix.data)
      c.run(Gemm{.a = op.matrix,
                 .b = part(op.basis, row * n, {n, 1}),
                 .c = part(op.basis, after, {n, 1})});
    c.run(GramSchmidt{.basis = part(op.basis, 0, {row + 1, n}),
                      .x = part(op.basis, after, {n}),
                      .out = part(products, 0, {row + 2}),
                      .recent = 2});
    c.run(Copy{.out = {part(op.out, 2 * step, {2})}, .x = {part(products, row, {2})}});
  }
}
ORTHOKIT_COMPOSITION(LanczosSteps, lanczos_steps);

}  // namespace orthokit
