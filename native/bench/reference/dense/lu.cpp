#include "ops/dense/lu.h"

#include <algorithm>

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void lu(const Lu& op) {
  const auto [batch, rows, columns] = matrices(op.matrix);
  for (int64_t index = 0; index < batch; ++index) {
    double *a = values(op.lu) + index * rows * columns, *pivots = values(op.pivots) + index * rows;
    std::copy_n(values(op.matrix) + index * rows * columns, rows * columns, a);
    for (int64_t i = 0; i < rows; ++i) pivots[i] = double(i);
    double largest = 0;
    for (int64_t k = 0; k < std::min(rows, columns); ++k) {
      int64_t best = k;
      double most = 0;
      for (int64_t i = k; i < rows; ++i)
        if (std::abs(a[i * columns + k]) > most) most = std::abs(a[i * columns + k]), best = i;
      largest = std::max(largest, most);
      std::swap(pivots[k], pivots[best]);
      for (int64_t j = 0; j < columns; ++j) std::swap(a[k * columns + j], a[best * columns + j]);
      for (int64_t i = k + 1; i < rows; ++i) {
        double& factor = a[i * columns + k];
        if (a[k * columns + k] != 0) factor /= a[k * columns + k];
        for (int64_t j = k + 1; j < columns; ++j) a[i * columns + j] -= factor * a[k * columns + j];
      }
    }
    double info = 0;
    for (int64_t k = std::min(rows, columns); k-- > 0;)
      if (!(std::abs(a[k * columns + k]) > op.tolerance * largest)) info = double(k + 1);
    values(op.info)[index] = info;
  }
}
ORTHOKIT_REFERENCE(Lu, lu, 8 * double(2 + smaller_side(op.matrix)));

}  // namespace orthokit::bench
