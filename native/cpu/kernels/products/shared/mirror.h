// The part of a symmetric matrix above its diagonal, from that below.
#pragma once
#include "cpu/transpose.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct Range {
  int64_t begin, end;
};

// The diagonal of a symmetric product and the half above it, once its tiles are there.
template <class T>
struct Mirror {
  T diagonal;  // is added to the elements on it

  // Of c the elements of these rows and columns that are on or below the diagonal are there, and
  // rows begin no earlier than columns: the diagonal's are finished, the others copied across it.
  void finish(Range rows, Range columns, T* c, int64_t stride) const {
    for (int64_t r = rows.begin; r < std::min(rows.end, columns.end); ++r)
      c[r * stride + r] += diagonal;
    for (int64_t r = rows.begin; r < rows.end; r += kSide)
      for (int64_t q = columns.begin; q < std::min(columns.end, r + kSide); q += kSide) {
        const Range height{r, std::min(rows.end, r + kSide)},
            width{q, std::min(columns.end, q + kSide)};
        if (width.end <= r)
          turn(height, width, c, stride);
        else
          turn_triangle(height, width, c, stride);
      }
  }

 private:
  static constexpr int64_t kSide = 48, kGroup = 8;  // of what stays in a cache, and in registers

  static void turn(Range rows, Range columns, T* c, int64_t stride) {
    transpose(c + rows.begin * stride + columns.begin, stride, rows.end - rows.begin,
              columns.end - columns.begin, c + columns.begin * stride + rows.begin, stride);
  }
  static void turn_triangle(Range rows, Range columns, T* c, int64_t stride) {
    for (int64_t r = rows.begin; r < rows.end; r += kGroup) {
      const int64_t end = std::min(rows.end, r + kGroup),
                    below = std::clamp(r, columns.begin, columns.end);
      turn({r, end}, {columns.begin, below}, c, stride);
      for (int64_t i = r; i < end; ++i)
        for (int64_t q = below; q < std::min(i, columns.end); ++q)
          c[q * stride + i] = c[i * stride + q];
    }
  }
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
