#include "ops/rows/dequantize_rows.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void dequantize_rows(const DequantizeRows& op) {
  const int64_t n = row_length(op.out), each = op.bits == 4 ? 2 : 1, width = (n + each - 1) / each;
  for (int64_t i = 0; i < op.out.size(); ++i) {
    const int64_t row = i / n, j = i % n;
    const int byte = int(values(op.codes)[row * width + j / each]);
    const int code = each == 1 ? byte : j % 2 == 0 ? byte / 16 : byte % 16;
    const double *range = values(op.ranges) + 2 * row, share = code / (op.bits == 4 ? 15.0 : 255.0);
    values(op.out)[i] = 2 * (range[0] / 2 + share * (range[1] / 2 - range[0] / 2));
  }
}
ORTHOKIT_REFERENCE(DequantizeRows, dequantize_rows, kElementwise);

}  // namespace orthokit::bench
