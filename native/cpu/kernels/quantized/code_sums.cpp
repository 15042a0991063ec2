#include "ops/quantized/code_sums.h"

#include <algorithm>

#include "cpu/chunks.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Sums of a row; one more place for the count of codes that the codebook does not have.
static void sum_row(const Coded& all, int64_t i, const float* x, double* sums) {
  const int64_t n = all.row.columns, entries = all.book_of(i) < 0 ? 0 : all.entries;
  std::fill_n(sums, all.entries + 1, 0.0);
  const uint8_t* codes = all.codes_of(i);
  for (int64_t from = 0; from < n; from += math::kBlockCodes) {
    const int64_t block = from / math::kBlockCodes;
    uint64_t words[math::kCodeLanes];
    for (int lane = 0; lane < math::kCodeLanes; ++lane)
      words[lane] = math::read_lane(codes + block * all.row.block_bytes(),
                                    all.row.bytes_of_lane(block), lane);
    const auto size = int(std::min<int64_t>(math::kBlockCodes, n - from));
    for (int j = 0; j < size; ++j) {
      const auto code =
          int64_t(words[j % math::kCodeLanes] >> (j / math::kCodeLanes * all.row.bits) &
                  ((1u << all.row.bits) - 1));
      if (code >= entries)
        ++sums[all.entries];
      else
        sums[code] += x ? double(x[from + j]) : 1;
    }
  }
}

void code_sums(const CodeSums& op, Stream& stream) {
  const Coded all = coded(op.codes, op.sums, op.row_books, op.columns, op.bits);
  const int64_t width = all.entries + 1;
  auto* of_rows = stream.scratch<double>(all.rows * width);
  for_rows(stream, all.rows, op.columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      sum_row(all, i, op.x ? op.x.as<float>() + i * op.columns : nullptr, of_rows + i * width);
  });
  auto* totals = stream.scratch<double>(all.books * all.entries);
  std::fill_n(totals, all.books * all.entries, 0.0);
  double outside = 0;
  for (int64_t i = 0; i < all.rows; ++i) {
    const double* row = of_rows + i * width;
    outside += row[all.entries];
    if (const int64_t book = all.book_of(i); book >= 0)
      for (int64_t k = 0; k < all.entries; ++k) totals[book * all.entries + k] += row[k];
  }
  if (op.outside) *op.outside.as<double>() = outside;
  visit(op.sums.dtype, [&]<class T>() {
    T* sums = op.sums.as<T>();
    for (int64_t k = 0; k < all.books * all.entries; ++k)
      sums[k] = T((op.beta == 0 ? 0 : op.beta * double(sums[k])) + totals[k]);
  });
}
ORTHOKIT_KERNEL(CodeSums, code_sums);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
