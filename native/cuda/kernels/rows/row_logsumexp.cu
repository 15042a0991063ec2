#include "cuda/softmax.cuh"
#include "cuda/widened.cuh"
#include "ops/rows/row_logsumexp.h"

namespace orthokit::cuda {

template <class T>
struct LogSumOfRow {
  const T* x;
  T* out;
  int64_t columns;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t row) const {
    const T* from = x + row * columns;
    const T max = max_of(team, from, columns);
    double result;
    if (isfinite(max)) {
      result = double(max) + log(sum_of_exps(team, from, columns, max));
    } else {
      double unordered = 0;  // NaN, which the maximum passes over; of all else 0
      team.visit(
          columns, [&](int64_t, T v) { unordered += v != v ? double(v) : 0; }, from);
      result = double(max) + team.sum(unordered);
    }
    if (team.rank == 0) out[row] = T(result);
  }
};

static void row_logsumexp(const RowLogsumexp& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, rows, columns, LogSumOfRow<T>{op.x.as<T>(), op.out.as<T>(), columns});
  });
}
ORTHOKIT_WIDE_KERNEL(RowLogsumexp, row_logsumexp);

}  // namespace orthokit::cuda
