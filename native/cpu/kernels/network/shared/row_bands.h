// Rows in bands, each of which has sums of its own over the columns; they are added in order.
#pragma once
#include <algorithm>

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kMostBands = 64;

struct RowBands {
  int64_t rows, columns, height, count;

  RowBands(int64_t rows, int64_t columns)
      : rows(rows),
        columns(columns),
        height(std::max((rows + kMostBands - 1) / kMostBands,
                        std::max<int64_t>(1, kChunk / std::max<int64_t>(1, columns)))),
        count((rows + height - 1) / height) {}

  // body(row, sums) for every row; `sums` are the `size` of its band, which begin at 0.
  template <class Body>
  void run(Stream& stream, double* sums, int64_t size, Body&& body) const {
    stream.parallel(count, [&](int64_t band) {
      double* own = sums + band * size;
      std::fill_n(own, size, 0.0);
      const int64_t last = std::min(rows, (band + 1) * height);
      for (int64_t i = band * height; i < last; ++i) body(i, own);
    });
  }
};

// out[j] = Σ sums[band · stride + j] + beta · out[j]; a beta of 0 does not read.
inline void add_bands(int64_t bands, int64_t stride, double* sums, const View& out, double beta) {
  const int64_t columns = out.size();
  // Band after band: down a column, every step would meet the same set of the cache.
  for (int64_t band = 1; band < bands; ++band)
    for (int64_t j = 0; j < columns; ++j) sums[j] += sums[band * stride + j];
  if (bands == 0) std::fill_n(sums, columns, 0.0);
  store_sums(out, 0, columns, static_cast<const double*>(sums), beta);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
