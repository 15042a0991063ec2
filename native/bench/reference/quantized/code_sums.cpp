#include "ops/quantized/code_sums.h"

#include "bench/reference/quantized/shared/coded.h"

namespace orthokit::bench {

static void code_sums(const CodeSums& op) {
  const int64_t books = op.sums.shape[0], entries = op.sums.shape[1], n = op.columns;
  const PlainCodes codes(op.codes, n, op.bits);
  for (int64_t k = 0; k < op.sums.size(); ++k)
    values(op.sums)[k] = op.beta == 0 ? 0 : op.beta * values(op.sums)[k];
  double outside = 0;
  for (int64_t i = 0; i < op.codes.shape[0]; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const int64_t book = book_of(op.row_books, i), code = codes.read(i, j);
      if (book >= books || code >= entries)
        ++outside;
      else
        values(op.sums)[book * entries + code] += op.x ? values(op.x)[i * n + j] : 1;
    }
  if (op.outside) *values(op.outside) = outside;
}
ORTHOKIT_REFERENCE(CodeSums, code_sums, growth_of_sum(op.columns* op.codes.shape[0]));

}  // namespace orthokit::bench
