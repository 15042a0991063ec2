// A matrix whose elements are codes into tables of numbers, one table for some of its rows.
#pragma once
#include "core/op.h"
#include "math/packed_codes.h"

namespace orthokit {

inline constexpr int64_t kMostCodes = 256;  // of a codebook

// A matrix of rows × columns: codes as docs/design/packed-codes.md has them, each an index into the
// codebook of its row, whose number is two bytes of row_books, the lower first.
struct Coded {
  const uint8_t *codes, *row_books;
  const float* codebooks;
  int64_t rows, books, entries;
  math::PackedRow row;

  constexpr const uint8_t* codes_of(int64_t i) const { return codes + i * row.bytes(); }
  // −1 for a number that no codebook has.
  constexpr int64_t book_of(int64_t i) const {
    const int64_t book = row_books[2 * i] | row_books[2 * i + 1] << 8;
    return book < books ? book : -1;
  }
};

inline Coded coded(const View& codes, const View& codebooks, const View& row_books, int64_t columns,
                   int64_t bits) {
  return {codes.as<const uint8_t>(),   row_books.as<const uint8_t>(),
          codebooks.as<const float>(), codes.shape[0],
          codebooks.shape[0],          codebooks.shape[1],
          {columns, int(bits)}};
}

// Demands of codes alone, for rows of so many columns.
inline void check_codes(auto require, const View& codes, const View& row_books, int64_t columns,
                        int64_t bits) {
  require(bits >= 1 && bits <= 8, ErrorCode::kArgument, "bits must be 1 to 8", double(bits));
  require(codes.dtype == Dtype::kU8, ErrorCode::kDtype, "codes must be u8", codes);
  require(codes.rank == 2, ErrorCode::kShape, "codes must be a matrix", codes);
  require.array("rowBooks must be u8 with two elements a row of codes", row_books, Dtype::kU8,
                2 * codes.shape[0]);
  const math::PackedRow row{columns, int(bits)};
  require.size(codes.shape[1] == row.bytes(), "codes must have the bytes of packed rows", codes,
               codes.shape[0] * row.bytes());
}

// The same, and those of their codebooks.
inline void check_coded(auto require, const View& codes, const View& codebooks,
                        const View& row_books, int64_t columns, int64_t bits) {
  check_codes(require, codes, row_books, columns, bits);
  require(codebooks.dtype == Dtype::kF32, ErrorCode::kDtype, "codebooks must be f32", codebooks);
  require(codebooks.rank == 2 && codebooks.shape[0] >= 1 && codebooks.shape[1] >= 1,
          ErrorCode::kShape, "codebooks must be a matrix with elements", codebooks);
  require(codebooks.shape[1] <= int64_t(1) << bits, ErrorCode::kShape,
          "codebooks must have at most 2^bits columns", codebooks);
}

}  // namespace orthokit
