#include "ops/gather/combine_rows.h"

#include "cpu/chunks.h"
#include "cpu/fused.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void combine_rows(const CombineRows& op, Stream& stream) {
  constexpr int64_t kTile = 512;  // sums that stay in L1 while the rows pass
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1], terms = op.indices.shape[1];
  const int32_t* indices = op.indices.as<int32_t>();
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, op.out.shape[0], columns * (terms + 1), [&](int64_t first, int64_t last) {
      alignas(64) double sums[kTile];
      for (int64_t i = first; i < last; ++i)
        for (int64_t at = 0; at < columns; at += kTile) {
          const int64_t width = std::min(kTile, columns - at);
          std::fill_n(sums, width, 0.0);
          for (int64_t t = i * terms; t < (i + 1) * terms; ++t) {
            if (indices[t] < 0 || indices[t] >= rows) continue;
            const T* row = op.x.as<T>() + indices[t] * columns + at;
            const double factor = double(op.coefficients.as<T>()[t]);
            for (int64_t j = 0; j < width; ++j) sums[j] = fused(factor, double(row[j]), sums[j]);
          }
          T* out = op.out.as<T>() + i * columns + at;
          for (int64_t j = 0; j < width; ++j) out[j] = T(sums[j]);
        }
    });
  });
}
ORTHOKIT_KERNEL(CombineRows, combine_rows);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
