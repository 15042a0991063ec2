// The factor of a row that divides it by its root mean square.
#pragma once
#include <cmath>

#include "cpu/convert.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// body(first column, number of columns) for the blocks of a row, in order.
template <class Body>
void for_blocks(int64_t columns, Body&& body) {
  for (int64_t j = 0; j < columns; j += kBlock) body(j, std::min(kBlock, columns - j));
}

// 1 / √(mean(x²) + eps) of the row that begins at `at`.
template <class T>
double inverse_root(const View& x, int64_t at, int64_t columns, double eps) {
  T buffer[kBlock];
  double squares = 0;
  for_blocks(columns, [&](int64_t j, int64_t n) {
    squares += sum_of_squares(load(x, at + j, n, buffer), n);
  });
  return 1 / std::sqrt(squares / double(columns) + eps);
}

// True if f32 holds a number with all digits that count.
inline bool is_exact_in_float(double x) { return std::abs(x) > 1e-25 && std::abs(x) < 1e25; }

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
