#include "ops/quantized/assign_codes.h"

#include <algorithm>

#include "bench/reference/quantized/shared/coded.h"

namespace orthokit::bench {

static void assign_codes(const AssignCodes& op) {
  const int64_t rows = op.x.shape[0], n = op.x.shape[1], entries = op.codebooks.shape[1];
  std::fill_n(values(op.codes), op.codes.size(), 0);
  const PlainCodes codes(op.codes, n, op.bits);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const double x = values(op.x)[i * n + j];
      const auto number = [&](int64_t k) {
        return number_of(op.codebooks, book_of(op.row_books, i), k);
      };
      int64_t best = -1;
      for (int64_t k = 0; k < entries; ++k) {
        const double c = number(k);
        if (std::isnan(c)) continue;
        if (best < 0) {
          best = k;
          continue;
        }
        const double other = number(best), middle = (c + other) / 2;
        const bool is_nearer = c < other ? !(x > middle) : c > other && x > middle;
        if (is_nearer) best = k;
      }
      codes.write(i, j, std::max<int64_t>(best, 0));
    }
}
ORTHOKIT_REFERENCE(AssignCodes, assign_codes, kExact);

}  // namespace orthokit::bench
