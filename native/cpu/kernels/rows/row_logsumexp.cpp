#include "ops/rows/row_logsumexp.h"

#include "cpu/chunks.h"
#include "cpu/row_sum.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static double log_of_sum(const T* x, int64_t n) {
  const auto [max, sum] = row_sum(x, n);
  if (std::isfinite(max)) return double(max) + std::log(sum);
  for (int64_t j = 0; j < n; ++j)
    if (x[j] != x[j]) return double(x[j]);  // max passes over NaN
  return double(max);
}

void row_logsumexp(const RowLogsumexp& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        op.out.as<T>()[i] = T(log_of_sum(op.x.as<T>() + i * columns, columns));
    });
  });
}
ORTHOKIT_WIDE_KERNEL(RowLogsumexp, row_logsumexp);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
