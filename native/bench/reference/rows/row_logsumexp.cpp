#include "ops/rows/row_logsumexp.h"

#include "bench/reference/shared/softmax.h"

namespace orthokit::bench {

static void row_logsumexp(const RowLogsumexp& op) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  for (int64_t i = 0; i < rows; ++i) {
    const double* x = values(op.x) + i * columns;
    const double largest = largest_of(x, columns);
    const bool unknown = std::any_of(x, x + columns, [](double v) { return std::isnan(v); });
    values(op.out)[i] = unknown               ? NAN
                        : std::isinf(largest) ? largest
                                              : double(largest + std::log(sum_of_exps(x, columns)));
  }
}
ORTHOKIT_REFERENCE(RowLogsumexp, row_logsumexp, op.x.dtype == Dtype::kF64 ? 64 : 1);

// The logarithm is of a sum that is at least 1 and rounds like it.
static double terms_of(const RowLogsumexp&, std::string_view) { return 1; }
ORTHOKIT_TERMS(RowLogsumexp, terms_of);

}  // namespace orthokit::bench
