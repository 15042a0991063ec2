#include "ops/rows/dequantize_rows.h"

#include "cpu/chunks.h"
#include "math/buckets.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void dequantize_rows(const DequantizeRows& op, Stream& stream) {
  const RowCodes all = row_codes(op.out, op.bits);
  visit(op.out.dtype, [&]<class T>() {
    for_rows(stream, all.rows, all.columns, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const uint8_t* codes = op.codes.as<uint8_t>() + i * all.width;
        const T* range = op.ranges.as<T>() + 2 * i;
        T* out = op.out.as<T>() + i * all.columns;
        const math::Bucket bucket = math::bucket_of(double(range[0]), double(range[1]), all.levels);
        if (all.is_packed())
          for (int64_t j = 0; j < all.columns; ++j)
            out[j] = T(math::value_of(bucket, j % 2 == 0 ? codes[j / 2] >> 4 : codes[j / 2] & 15));
        else
          for (int64_t j = 0; j < all.columns; ++j) out[j] = T(math::value_of(bucket, codes[j]));
      }
    });
  });
}
ORTHOKIT_KERNEL(DequantizeRows, dequantize_rows);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
