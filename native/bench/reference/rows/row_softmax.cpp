#include "ops/rows/row_softmax.h"

#include "bench/reference/shared/softmax.h"

namespace orthokit::bench {

static void row_softmax(const RowSoftmax& op) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  for (int64_t i = 0; i < rows; ++i) {
    const auto p = softmax(values(op.x) + i * columns, columns);
    std::ranges::copy(p, values(op.out) + i * columns);
  }
}
ORTHOKIT_REFERENCE(RowSoftmax, row_softmax, growth_of_rows(op.x, 4));

}  // namespace orthokit::bench
