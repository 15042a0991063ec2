// Rows as codes of a few bits, one bucket a row.
#pragma once
#include "ops/shared/rows.h"

namespace orthokit {

struct RowCodes {
  int64_t rows, columns, width;  // width: bytes of a row
  int levels;                    // the largest code
  constexpr bool is_packed() const { return levels < 16; }
};

inline RowCodes row_codes(const View& x, int64_t bits) {
  const int64_t n = row_length(x);
  return {row_count(x), n, bits == 4 ? (n + 1) / 2 : n, bits == 4 ? 15 : 255};
}

// Demands of numbers x and their codes.
inline void check_codes(auto require, const char* dtype, const char* axis, const View& x,
                        const View& codes, const View& ranges, int64_t bits) {
  require(bits == 8 || bits == 4, ErrorCode::kArgument, "bits must be 8 or 4", double(bits));
  require(is_f32_or_f64(x), ErrorCode::kDtype, dtype, x);
  require(x.rank >= 1, ErrorCode::kShape, axis, x);
  const RowCodes all = row_codes(x, bits);
  require.array("codes must be u8 with a byte a number, or for two of a row with bits 4", codes,
                Dtype::kU8, all.rows * all.width);
  require.array("ranges must have x's dtype and two elements a row", ranges, x.dtype, 2 * all.rows);
}

}  // namespace orthokit
