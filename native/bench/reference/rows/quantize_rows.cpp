#include "ops/rows/quantize_rows.h"

#include <algorithm>

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void quantize_rows(const QuantizeRows& op) {
  if (op.guard && *values(op.guard) != 0) return;
  const int64_t n = row_length(op.x), rows = row_count(op.x);
  const int64_t each = op.bits == 4 ? 2 : 1, width = (n + each - 1) / each;
  const double levels = op.bits == 4 ? 15 : 255;
  for (int64_t i = 0; i < rows; ++i) {
    const double* x = values(op.x) + i * n;
    double *codes = values(op.codes) + i * width, *range = values(op.ranges) + 2 * i;
    std::fill_n(codes, width, 0);
    range[0] = range[1] = 0;
    if (n == 0) continue;
    range[0] = *std::min_element(x, x + n), range[1] = *std::max_element(x, x + n);
    if (!std::all_of(x, x + n, [](double v) { return std::isfinite(v); })) {
      range[0] = range[1] = NAN;
      continue;
    }
    const double half_step = (range[1] / 2 - range[0] / 2) / levels;
    for (int64_t j = 0; j < n && half_step > 0; ++j) {
      const double code = std::min(levels, std::floor((x[j] / 2 - range[0] / 2) / half_step + 0.5));
      codes[j / each] += each == 2 && j % 2 == 0 ? 16 * code : code;
    }
  }
}
ORTHOKIT_REFERENCE(QuantizeRows, quantize_rows, kExact);

}  // namespace orthokit::bench
