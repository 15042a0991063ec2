#include "ops/elementwise/transpose.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void transpose(const Transposition& op) {
  const int64_t rows = op.x.shape[op.x.rank - 2], columns = op.x.shape[op.x.rank - 1];
  for (int64_t at = 0; at < op.x.size(); at += rows * columns)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        values(op.out)[at + j * rows + i] = values(op.x)[at + i * columns + j];
}
ORTHOKIT_REFERENCE(Transposition, transpose, kExact);

}  // namespace orthokit::bench
