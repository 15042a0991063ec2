#include "ops/gather/combine_rows.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void combine_rows(const CombineRows& op) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1], terms = op.coefficients.shape[1];
  for (int64_t i = 0; i < op.out.size(); ++i) {
    double sum = 0;
    for (int64_t t = i / columns * terms; t < (i / columns + 1) * terms; ++t) {
      const int64_t row = op.indices ? int64_t(values(op.indices)[t]) : t % terms;
      if (row >= 0 && row < rows)
        sum += values(op.coefficients)[t] * values(op.x)[row * columns + i % columns];
    }
    values(op.out)[i] = sum;
  }
}
ORTHOKIT_REFERENCE(CombineRows, combine_rows, 4 + double(op.coefficients.shape[1]));

}  // namespace orthokit::bench
