#include "ops/quantized/decode_codes.h"

#include "cpu/chunks.h"
#include "cpu/kernels/quantized/shared/book_lanes.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void decode_codes(const DecodeCodes& op, Stream& stream) {
  const Coded all = coded(op.codes, op.codebooks, op.row_books, op.out.shape[1], op.bits);
  const Books books(all, stream);
  const int64_t n = all.row.columns;
  visit_book_bits(all.row.bits, [&]<int bits>() {
    for_rows(stream, all.rows, n, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        decode_part<bits>(all.row, all.codes_of(i), books.of_row(i), 0, n,
                          op.out.as<float>() + i * n);
    });
  });
}
ORTHOKIT_KERNEL(DecodeCodes, decode_codes);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
