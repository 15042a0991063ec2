#include "ops/reductions/row_reduce.h"

#include "cpu/chunks.h"
#include "cpu/kernels/reductions/shared/reduction.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T, class Out>
static void row_reduce(const RowReduce& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  const Reduction r = op.reduction;
  const T* x = op.x.as<T>();
  Out* out = op.out.as<Out>();
  if (columns <= kChunk) {
    for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        out[i] = Out(finished(r, reduced(r, x + i * columns, columns), columns));
    });
    return;
  }
  // Few long rows: cut in pieces, so that all threads work.
  const int64_t pieces = (columns + kChunk - 1) / kChunk;
  auto* partial = stream.scratch<double>(rows * pieces);
  stream.parallel(rows * pieces, [&](int64_t part) {
    const int64_t left = part % pieces * kChunk;
    partial[part] =
        reduced(r, x + part / pieces * columns + left, std::min(kChunk, columns - left));
  });
  for (int64_t i = 0; i < rows; ++i) {
    double total = start_of(r);
    for (int64_t k = 0; k < pieces; ++k) total = joined(r, total, partial[i * pieces + k]);
    out[i] = Out(finished(r, total, columns));
  }
}

void row_reduce(const RowReduce& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    visit(op.out.dtype, [&]<class Out>() { row_reduce<T, Out>(op, stream); });
  });
}
ORTHOKIT_WIDE_KERNEL(RowReduce, row_reduce);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
