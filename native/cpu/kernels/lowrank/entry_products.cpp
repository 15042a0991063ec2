#include "ops/lowrank/entry_products.h"

#include <cmath>

#include "cpu/chunks.h"
#include "cpu/fused.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void entry_products(const EntryProducts& op, Stream& stream) {
  const int64_t width = op.x.shape[1];
  const int32_t *rows = op.rows.as<int32_t>(), *columns = op.columns.as<int32_t>();
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, op.out.shape[0], width, [&](int64_t first, int64_t last) {
      for (int64_t e = first; e < last; ++e) {
        const int64_t i = rows[e], j = columns[e];
        if (i < 0 || i >= op.x.shape[0] || j < 0 || j >= op.y.shape[0]) {
          op.out.as<T>()[e] = T(NAN);
          continue;
        }
        const T *x = op.x.as<T>() + i * width, *y = op.y.as<T>() + j * width;
        double sum = 0;
        for (int64_t k = 0; k < width; ++k) sum = fused(double(x[k]), double(y[k]), sum);
        op.out.as<T>()[e] = T(sum);
      }
    });
  });
}
ORTHOKIT_KERNEL(EntryProducts, entry_products);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
