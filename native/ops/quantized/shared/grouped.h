// Matrices of few bits, of which groups of neighbours in a row share a factor.
#pragma once
#include "core/op.h"
#include "math/packed_codes.h"

namespace orthokit {

struct Grouped {
  int64_t rows;
  math::PackedRow row;
  int64_t groups, group;  // of a row, and elements of each
};

inline Grouped grouped(int64_t rows, int64_t columns, const View& scales, int64_t bits) {
  const int64_t groups = scales.shape[1];
  return {rows, {columns, int(bits)}, groups, groups > 0 ? columns / groups : 0};
}

inline constexpr double largest_code(int64_t bits) { return double((1 << (bits - 1)) - 1); }

inline void check_bits(auto require, int64_t bits) {
  require(bits == 2 || bits == 3 || bits == 4 || bits == 8, ErrorCode::kArgument,
          "bits must be 2, 3, 4 or 8", double(bits));
}

// Demands of codes and scales of a matrix [rows, columns], whose bits have been checked.
inline void check_grouped(auto require, const View& codes, const View& scales, int64_t bits,
                          int64_t rows, int64_t columns) {
  require(codes.dtype == Dtype::kU8, ErrorCode::kDtype, "codes must be u8", codes);
  require(codes.rank == 2 && codes.shape[0] == rows, ErrorCode::kShape,
          "codes must have a row for each row of the matrix", codes);
  const int64_t bytes = math::PackedRow{columns, int(bits)}.bytes();
  require.size(codes.shape[1] == bytes, "codes must have rows of the bytes of packed codes", codes,
               bytes);
  require(scales.dtype == Dtype::kF32, ErrorCode::kDtype, "scales must be f32", scales);
  require(scales.rank == 2 && scales.shape[0] == rows, ErrorCode::kShape,
          "scales must have a row for each row of the matrix", scales);
  const int64_t groups = scales.shape[1];
  require(groups > 0 ? columns % groups == 0 && columns > 0 : columns == 0, ErrorCode::kShape,
          "scales must have as many elements in a row as groups of equal size", scales);
}

}  // namespace orthokit
