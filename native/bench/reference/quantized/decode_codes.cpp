#include "ops/quantized/decode_codes.h"

#include "bench/reference/quantized/shared/coded.h"

namespace orthokit::bench {

static void decode_codes(const DecodeCodes& op) {
  const int64_t n = op.out.shape[1];
  const PlainCodes codes(op.codes, n, op.bits);
  for (int64_t i = 0; i < op.out.shape[0]; ++i)
    for (int64_t j = 0; j < n; ++j)
      values(op.out)[i * n + j] =
          number_of(op.codebooks, book_of(op.row_books, i), codes.read(i, j));
}
ORTHOKIT_REFERENCE(DecodeCodes, decode_codes, kExact);

}  // namespace orthokit::bench
