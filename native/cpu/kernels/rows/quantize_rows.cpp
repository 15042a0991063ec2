#include "ops/rows/quantize_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/chunks.h"
#include "math/buckets.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void quantize_row(const T* x, const RowCodes& all, uint8_t* codes, T* range) {
  const int64_t n = all.columns;
  T low = n > 0 ? x[0] : T(0), high = low, doubt = 0;
  for (int64_t j = 0; j < n; ++j) {
    low = std::min(low, x[j]), high = std::max(high, x[j]);
    doubt += x[j] * T(0);  // NaN of NaN and infinity
  }
  if (doubt != 0) low = high = std::numeric_limits<T>::quiet_NaN();
  range[0] = low, range[1] = high;
  const math::Bucket bucket = math::bucket_of(double(low), double(high), all.levels);
  const auto code = [&](int64_t j) {
    return uint8_t(j < n ? math::code_of(bucket, double(x[j]), all.levels) : 0);
  };
  if (all.is_packed())
    for (int64_t j = 0; j < n; j += 2) codes[j / 2] = uint8_t(code(j) << 4 | code(j + 1));
  else
    for (int64_t j = 0; j < n; ++j) codes[j] = code(j);
}

void quantize_rows(const QuantizeRows& op, Stream& stream) {
  if (op.guard && *op.guard.as<double>() != 0) return;
  const RowCodes all = row_codes(op.x, op.bits);
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, all.rows, all.columns, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        quantize_row(op.x.as<T>() + i * all.columns, all, op.codes.as<uint8_t>() + i * all.width,
                     op.ranges.as<T>() + 2 * i);
    });
  });
}
ORTHOKIT_KERNEL(QuantizeRows, quantize_rows);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
