#include "cuda/kernels/quantized/shared/code_words.cuh"
#include "ops/quantized/code_sums.h"

namespace orthokit::cuda {

// A block a row, a thread a code, and one more for codes that the codebook does not have: each goes
// over all elements in their order.
__global__ void __launch_bounds__(288)
    code_sums_of_rows_kernel(Coded all, const float* x, double* of_rows) {
  constexpr int kBlock = math::kBlockCodes;
  __shared__ int16_t codes[kBlock];
  __shared__ float values[kBlock];
  const int64_t width = all.entries + 1;
  for (int64_t i = blockIdx.x; i < all.rows; i += gridDim.x) {
    const int64_t entries = all.book_of(i) < 0 ? 0 : all.entries;
    double sum = 0;
    for (int64_t from = 0; from < all.row.columns; from += kBlock) {
      const int64_t left = all.row.columns - from;
      const int size = left < kBlock ? int(left) : kBlock;
      for (int j = int(threadIdx.x); j < size; j += int(blockDim.x)) {
        const uint32_t code = math::read_code(all.row, all.codes_of(i), from + j);
        codes[j] = int16_t(code < entries ? int64_t(code) : all.entries);
        values[j] = x ? x[i * all.row.columns + from + j] : 1;
      }
      __syncthreads();
      for (int j = 0; j < size; ++j)
        if (codes[j] == int(threadIdx.x)) sum += codes[j] == all.entries ? 1 : double(values[j]);
      __syncthreads();
    }
    if (int64_t(threadIdx.x) < width) of_rows[i * width + threadIdx.x] = sum;
  }
}

// A thread a number of a codebook, over all rows in their order; the last thread counts.
template <class T>
__global__ void __launch_bounds__(256)
    code_sums_of_books_kernel(Coded all, const double* of_rows, double beta, T* sums,
                              double* outside) {
  const int64_t width = all.entries + 1, count = all.books * all.entries;
  const int64_t at = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at > count) return;
  const int64_t book = at == count ? -1 : at / all.entries,
                place = at == count ? all.entries : at % all.entries;
  double sum = 0;
  for (int64_t i = 0; i < all.rows; ++i)
    if (at == count || all.book_of(i) == book) sum += of_rows[i * width + place];
  if (at < count)
    sums[at] = T((beta == 0 ? 0 : beta * double(sums[at])) + sum);
  else if (outside)
    *outside = sum;
}

static void code_sums(const CodeSums& op, Stream& stream) {
  const Coded all = coded(op.codes, op.sums, op.row_books, op.columns, op.bits);
  auto* of_rows = stream.scratch<double>(all.rows * (all.entries + 1));
  constexpr int64_t kMostBlocks = 1 << 20;
  const auto threads = unsigned((all.entries + 1 + 31) / 32 * 32);
  if (all.rows > 0)
    launch(stream, code_sums_of_rows_kernel,
           {dim3(unsigned(all.rows < kMostBlocks ? all.rows : kMostBlocks)), dim3(threads)}, all,
           op.x.as<const float>(), of_rows);
  const int64_t count = all.books * all.entries + 1;
  visit(op.sums.dtype, [&]<class T>() {
    launch(stream, code_sums_of_books_kernel<T>, {dim3(unsigned((count + 255) / 256)), dim3(256)},
           all, static_cast<const double*>(of_rows), op.beta, op.sums.as<T>(),
           op.outside.as<double>());
  });
}
ORTHOKIT_KERNEL(CodeSums, code_sums);

}  // namespace orthokit::cuda
