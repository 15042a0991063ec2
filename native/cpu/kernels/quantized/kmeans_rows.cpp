#include "ops/quantized/kmeans_rows.h"

#include "cpu/chunks.h"
#include "ops/quantized/shared/kmeans.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct KmeansIsa {};

void kmeans_rows(const KmeansRows& op, Stream& stream) {
  const int64_t rows = row_count(op.x), n = row_length(op.x), k = row_length(op.codebooks);
  // Rows that are worked on at once share no memory.
  auto* keys = stream.scratch<uint32_t>(2 * rows * n);
  const int64_t together = std::max<int64_t>(1, 4 * kChunk / n);
  stream.parallel((rows + together - 1) / together, [&](int64_t part) {
    KmeansOfRow<KmeansIsa> of_row;
    for (int64_t i = part * together; i < std::min(rows, (part + 1) * together); ++i) {
      if (stream.is_given_up()) return;
      of_row.run(op.x.as<float>() + i * n, n, keys + 2 * i * n, keys + (2 * i + 1) * n,
                 uint64_t(op.seed), uint64_t(i), k, op.codebooks.as<float>() + i * k);
    }
  });
}
ORTHOKIT_KERNEL(KmeansRows, kmeans_rows);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
