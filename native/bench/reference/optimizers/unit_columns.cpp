#include "ops/optimizers/unit_columns.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void unit_columns(const UnitColumns& op) {
  const int64_t rows = op.x.shape[1], columns = op.x.shape[2];
  for (int64_t i = 0; i < op.x.size(); ++i) {
    const double* squares = values(op.squares) + i / (rows * columns) * columns;
    double all = 0;
    for (int64_t j = 0; j < columns; ++j) all += squares[j];
    const double norm = std::sqrt(squares[i % columns]);
    const bool is_nothing = norm <= op.least * std::sqrt(all);
    // NaN and infinity stay.
    values(op.out)[i] = values(op.x)[i] * (norm == 0 || is_nothing ? 0 : 1 / (norm + op.eps));
  }
}
ORTHOKIT_REFERENCE(UnitColumns, unit_columns, kElementwise);

}  // namespace orthokit::bench
