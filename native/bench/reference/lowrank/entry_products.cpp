#include "ops/lowrank/entry_products.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void entry_products(const EntryProducts& op) {
  const int64_t width = op.x.shape[1];
  for (int64_t e = 0; e < op.out.size(); ++e) {
    const auto i = int64_t(values(op.rows)[e]), j = int64_t(values(op.columns)[e]);
    const bool exists = i >= 0 && i < op.x.shape[0] && j >= 0 && j < op.y.shape[0];
    double sum = exists ? 0 : NAN;
    for (int64_t k = 0; exists && k < width; ++k)
      sum += values(op.x)[i * width + k] * values(op.y)[j * width + k];
    values(op.out)[e] = sum;
  }
}
ORTHOKIT_REFERENCE(EntryProducts, entry_products, 4 + double(op.x.shape[1]));

}  // namespace orthokit::bench
