#include "ops/reductions/column_sum.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void column_sum(const ColumnSum& op) {
  const int64_t rows = count_of_rows(op.x, op.out), columns = op.out.size();
  for (int64_t j = 0; j < columns; ++j) {
    double sum = op.beta == 0 ? 0 : op.beta * values(op.out)[j];
    for (int64_t i = 0; i < rows; ++i) sum += values(op.x)[i * columns + j];
    values(op.out)[j] = sum;
  }
}
// Sums are f64 even where x is f32.
ORTHOKIT_REFERENCE(ColumnSum, column_sum, op.x.dtype == Dtype::kF64 ? 64 : 1);

// All that is added, which may cancel; of f32 numbers, whose sums are f64, by 64 of its roundings.
static std::vector<double> terms_of(const ColumnSum& op, std::string_view) {
  const int64_t rows = count_of_rows(op.x, op.out), columns = op.out.size();
  std::vector<double> terms;
  for (int64_t j = 0; j < columns; ++j) {
    // The first content of the result is no larger than the result and the sum.
    double sum = std::abs(values(op.out)[j]);
    for (int64_t i = 0; i < rows; ++i) sum += 2 * std::abs(values(op.x)[i * columns + j]);
    terms.push_back(op.x.dtype == Dtype::kF64 ? sum : sum * 64 * 0x1p-29);
  }
  return terms;
}
ORTHOKIT_TERMS(ColumnSum, terms_of);

}  // namespace orthokit::bench
