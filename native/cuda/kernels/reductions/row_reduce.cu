#include "cuda/kernels/reductions/shared/reduction.cuh"
#include "cuda/rows.cuh"
#include "cuda/widened.cuh"
#include "ops/reductions/row_reduce.h"

namespace orthokit::cuda {

inline constexpr int64_t kRowPiece = 1 << 14;  // elements: longer rows are shared by blocks

// Row i of the kernel is piece i % pieces of row i / pieces of x.
template <class R, class Term, class T, class Out>
struct ReducePiece {
  const T* x;
  Out* out;
  int64_t columns, pieces;
  Finish finish;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t i) const {
    const int64_t row = i / pieces, left = (i - row * pieces) * kRowPiece;
    const int64_t width = columns - left < kRowPiece ? columns - left : kRowPiece;
    double total = R::template neutral<double>();
    const auto take = [&](int64_t, T v) { total = R::combine(total, Term::of(double(v))); };
    team.visit(width, take, x + row * columns + left);
    total = team.template reduce<R>(total);
    if (team.rank == 0) out[i] = Out(finish(total));
  }
};

template <class R, class Term, class T, class Out>
static void row_reduce(const RowReduce& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  const Finish finish = finish_of<T>(op.reduction, columns);
  const T* x = op.x.as<T>();
  Out* out = op.out.as<Out>();
  const int64_t pieces = (columns + kRowPiece - 1) / kRowPiece;
  if (pieces <= 1) {
    for_rows(stream, rows, columns, ReducePiece<R, Term, T, Out>{x, out, columns, 1, finish});
    return;
  }
  auto* partial = stream.scratch<double>(rows * pieces);
  for_rows(stream, rows * pieces, kRowPiece,
           ReducePiece<R, Term, T, double>{x, partial, columns, pieces, {}});
  run_rows<kWarp>(stream, rows,
                  ReducePiece<R, Itself, double, Out>{partial, out, pieces, 1, finish});
}

static void row_reduce(const RowReduce& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    on_reduction<T>(op.reduction, [&]<class R, class Term>() {
      if (op.out.dtype == op.x.dtype)
        row_reduce<R, Term, T, T>(op, stream);
      else
        row_reduce<R, Term, T, double>(op, stream);
    });
  });
}
ORTHOKIT_WIDE_KERNEL(RowReduce, row_reduce);

}  // namespace orthokit::cuda
