#include "ops/lowrank/combine_entries.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void combine_entries(const CombineEntries& op) {
  const int64_t rows = op.x.shape[0], width = op.x.shape[1], count = op.columns.shape[0];
  for (int64_t i = 0; i < op.out.size(); ++i) {
    const auto begin = int64_t(values(op.starts)[i / width]);
    const auto end = int64_t(values(op.starts)[i / width + 1]);
    double sum = entry_range(begin, end, count).exists ? 0 : NAN;
    for (int64_t e = begin; sum == sum && e < end; ++e) {
      const auto column = int64_t(values(op.columns)[e]);
      const int64_t place = op.order ? int64_t(values(op.order)[e]) : e;
      if (column >= 0 && column < rows && place >= 0 && place < count)
        sum += values(op.values)[place] * values(op.x)[column * width + i % width];
    }
    values(op.out)[i] = sum;
  }
}
ORTHOKIT_REFERENCE(CombineEntries, combine_entries, 16);

}  // namespace orthokit::bench
