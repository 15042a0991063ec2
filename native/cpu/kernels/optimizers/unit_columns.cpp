#include "ops/optimizers/unit_columns.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "math/normalized.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void unit_columns(const UnitColumns& op, Stream& stream) {
  const int64_t batch = op.x.shape[0], rows = op.x.shape[1], columns = op.x.shape[2];
  T* factors = stream.scratch<T>(batch * columns);
  for (int64_t i = 0; i < batch; ++i) {
    const double* squares = op.squares.as<double>() + i * columns;
    double all = 0;
    for (int64_t j = 0; j < columns; ++j) all += squares[j];
    for (int64_t j = 0; j < columns; ++j)
      factors[i * columns + j] =
          finite_factor<T>(math::unit_factor(squares[j], all, op.eps, op.least));
  }
  for_rows(stream, batch * rows, columns, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T *x = op.x.as<T>() + row * columns, *own = factors + row / rows * columns;
      T* out = op.out.as<T>() + row * columns;
      for (int64_t j = 0; j < columns; ++j) out[j] = own[j] * x[j];
    }
  });
}

void unit_columns(const UnitColumns& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() { unit_columns<T>(op, stream); });
}
ORTHOKIT_KERNEL(UnitColumns, unit_columns);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
