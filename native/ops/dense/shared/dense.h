// Shapes and checks that operations on matrices, or on batches of them, share.
#pragma once
#include <bit>

#include "core/op.h"

namespace orthokit {

inline bool is_matrix_or_batch(const View& v) { return v.rank == 2 || v.rank == 3; }

// A matrix of rows × columns for each of `like`.
inline bool is_matrix_each(const View& v, const View& like, int64_t rows, int64_t columns) {
  const Matrices one = matrices(v);
  return v.rank == like.rank && one.batch == matrices(like).batch && one.rows == rows &&
         one.columns == columns;
}

// A row of `size` numbers for each matrix of `like`.
inline bool is_row_each(const View& v, const View& like, int64_t size) {
  return v.rank == like.rank - 1 && v.shape[v.rank - 1] == size &&
         (v.rank == 1 || v.shape[0] == like.shape[0]);
}

inline int64_t smaller_side(const View& v) {
  const Matrices m = matrices(v);
  return m.rows < m.columns ? m.rows : m.columns;
}

// Singular vectors and eigenvectors are unique but for their sign: the first entry of this share of
// the largest one is positive. It is less than 1, so that rounding does not choose between entries
// of the same size.
inline constexpr double kNearLargest = 0.9;

// Numbers in `info` for a matrix that has no decomposition.
inline constexpr int32_t kDenseNotFinite = 1, kDenseNotConverged = 2;

// The power of two by which numbers of this size are near 1 and their squares are finite; 2 to the
// `most` at most.
constexpr double power_to_unit(double largest, int most) {
  const int exponent = int(std::bit_cast<uint64_t>(largest) >> 52 & 0x7ff) - 1023;
  const int power = exponent < -most ? most : exponent > most ? -most : -exponent;
  return std::bit_cast<double>(uint64_t(power + 1023) << 52);
}
template <class T>
constexpr double power_to_unit_of(double largest) {
  return power_to_unit(largest, sizeof(T) == 4 ? 120 : 1000);
}

}  // namespace orthokit
