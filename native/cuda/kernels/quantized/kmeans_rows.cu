#include <vector>

#include "cuda/kernel.h"
#include "ops/quantized/kmeans_rows.h"
#include "ops/quantized/shared/kmeans.h"

namespace orthokit::cuda {

struct KmeansHost {};

// Sorting, and a search whose steps wait for each other: the host's work, of rows that go there.
static void kmeans_rows(const KmeansRows& op, Stream& stream) {
  const int64_t rows = row_count(op.x), n = row_length(op.x), k = row_length(op.codebooks);
  if (rows == 0) return;
  const auto length = size_t(n);
  std::vector<float> x(length), books(static_cast<size_t>(rows * k));
  std::vector<uint32_t> keys(2 * length);
  stream.graphs().flush();
  KmeansOfRow<KmeansHost> of_row;
  for (int64_t i = 0; i < rows; ++i) {
    stream.copy(x.data(), op.x.as<float>() + i * n, x.size() * sizeof(float), Transfer::kToHost);
    of_row.run(x.data(), n, keys.data(), keys.data() + n, uint64_t(op.seed), uint64_t(i), k,
               books.data() + i * k);
  }
  stream.copy(op.codebooks.as<float>(), books.data(), books.size() * sizeof(float),
              Transfer::kToDevice);
}
ORTHOKIT_KERNEL(KmeansRows, kmeans_rows);

}  // namespace orthokit::cuda
