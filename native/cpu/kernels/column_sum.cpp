#include "ops/column_sum.h"

#include <algorithm>

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kTile = 256;  // rows and columns: fixed, as the order of the sums must be

template <class T>
static void column_sum(const ColumnSum& op, Stream& stream) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1];
  const int64_t bands = (rows + kTile - 1) / kTile, panels = (columns + kTile - 1) / kTile;
  auto* partial = stream.scratch<double>(bands * columns);
  stream.parallel(bands * panels, [&](int64_t part) {
    const int64_t top = part / panels * kTile, left = part % panels * kTile;
    const int64_t bottom = std::min(rows, top + kTile), width = std::min(kTile, columns - left);
    double sums[kTile] = {};
    for (int64_t i = top; i < bottom; ++i) {
      const T* x = op.x.as<T>() + i * columns + left;
      for (int64_t j = 0; j < width; ++j) sums[j] += x[j];
    }
    std::copy_n(sums, width, partial + part / panels * columns + left);
  });
  T* out = op.out.as<T>();
  stream.parallel(panels, [&](int64_t panel) {
    const int64_t left = panel * kTile, right = std::min(columns, left + kTile);
    for (int64_t j = left; j < right; ++j) {
      double sum = 0;
      for (int64_t band = 0; band < bands; ++band) sum += partial[band * columns + j];
      out[j] = T(op.beta == 0 ? sum : sum + op.beta * double(out[j]));
    }
  });
}

void column_sum(const ColumnSum& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() { column_sum<T>(op, stream); });
}
ORTHOKIT_KERNEL(ColumnSum, column_sum);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
