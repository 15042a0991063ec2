#include "ops/optimizers/drop_small.h"

#include "cpu/chunks.h"
#include "math/rounding.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void drop_small(const DropSmall& op, Stream& stream) {
  const int64_t rows = op.x.shape[1], columns = op.x.shape[2];
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, op.x.shape[0] * rows, columns, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const double* norms = op.norms.as<double>() + row / rows * columns;
        const T* x = op.x.as<T>() + row * columns;
        T* out = op.out.as<T>() + row * columns;
        for (int64_t j = 0; j < columns; ++j)
          out[j] = math::above(x[j], T(math::rounding_floor(norms[j], op.least)));
      }
    });
  });
}
ORTHOKIT_KERNEL(DropSmall, drop_small);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
