#include "ops/transpose.h"

#include <algorithm>

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kTile = 16;   // rows and columns: a cache line of f32 on either side
inline constexpr int64_t kPanel = 64;  // rows of x that a thread takes at once

// The tile of x whose first element is *x, into rows of `out`.
template <class T>
static void transpose_tile(const T* x, int64_t columns, T* out, int64_t rows) {
  T tile[kTile][kTile];
  for (int64_t i = 0; i < kTile; ++i) std::copy_n(x + i * columns, kTile, tile[i]);
  for (int64_t j = 0; j < kTile; ++j)
    for (int64_t i = 0; i < kTile; ++i) out[j * rows + i] = tile[i][j];
}

template <class T>
static void transpose_panel(const T* x, T* out, int64_t rows, int64_t columns, int64_t top) {
  const int64_t bottom = std::min(rows, top + kPanel);
  for (int64_t left = 0; left < columns; left += kTile)
    for (int64_t i = top; i < bottom; i += kTile) {
      if (i + kTile <= bottom && left + kTile <= columns) {
        transpose_tile(x + i * columns + left, columns, out + left * rows + i, rows);
        continue;
      }
      for (int64_t r = i; r < std::min(bottom, i + kTile); ++r)
        for (int64_t c = left; c < std::min(columns, left + kTile); ++c)
          out[c * rows + r] = x[r * columns + c];
    }
}

void transpose(const Transpose& op, Stream& stream) {
  const int64_t rows = op.x.shape[op.x.rank - 2], columns = op.x.shape[op.x.rank - 1];
  const int64_t batch = op.x.rank == 3 ? op.x.shape[0] : 1;
  const int64_t panels = (rows + kPanel - 1) / kPanel;
  visit_storage(op.x.dtype, [&]<class T>() {
    stream.parallel(batch * panels, [&](int64_t part) {
      const int64_t at = part / panels * rows * columns;
      transpose_panel(op.x.as<T>() + at, op.out.as<T>() + at, rows, columns,
                      part % panels * kPanel);
    });
  });
}
ORTHOKIT_KERNEL(Transpose, transpose);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
