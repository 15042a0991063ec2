#include "cuda/kernels/products/shared/gemm_tiles.cuh"
#include "cuda/kernels/products/shared/half_products.h"

namespace orthokit::cuda {

template <class From, class To>
__global__ void __launch_bounds__(kTileThreads)
    convert_all_kernel(const From* from, int64_t size, To* to) {
  for (int64_t i = int64_t(blockIdx.x) * kTileThreads + threadIdx.x; i < size;
       i += int64_t(gridDim.x) * kTileThreads)
    to[i] = convert<To>(from[i]);
}

template <class From, class To>
static void convert_all(const View& from, const View& to, Stream& stream) {
  launch(stream, convert_all_kernel<From, To>,
         {blocks_for(parts_of(from.size(), kTileThreads)), kTileThreads}, from.as<From>(),
         from.size(), to.as<To>());
}

View wide_like(const View& x, Stream& stream) {
  View wide = x;
  wide.dtype = Dtype::kF32;
  wide.data = stream.scratch<float>(x.size());
  return wide;
}

View widened(const View& x, Stream& stream) {
  const View wide = wide_like(x, stream);
  if (x.size() > 0) visit_half(x.dtype, [&]<class T>() { convert_all<T, float>(x, wide, stream); });
  return wide;
}

void narrow(const View& wide, const View& out, Stream& stream) {
  convert_all<float, Bfloat16>(wide, out, stream);
}

View narrowed(const View& x, Dtype dtype, Stream& stream) {
  View narrow = x;
  narrow.dtype = dtype;
  visit_half(dtype, [&]<class T>() {
    narrow.data = stream.scratch<T>(x.size());
    if (x.size() > 0) convert_all<float, T>(x, narrow, stream);
  });
  return narrow;
}

__global__ void __launch_bounds__(kTileThreads)
    align_rows_kernel(const uint16_t* from, int64_t rows, int64_t columns, int64_t stride,
                      uint16_t* to) {
  for (int64_t i = int64_t(blockIdx.x) * kTileThreads + threadIdx.x; i < rows * stride;
       i += int64_t(gridDim.x) * kTileThreads) {
    const int64_t row = i / stride, column = i - row * stride;
    if (column < columns) to[i] = from[row * columns + column];
  }
}

AlignedRows align_rows(const View& x, Stream& stream) {
  constexpr int64_t kTogether = 8;  // 16 bytes
  const Matrices s = matrices(x);
  const auto* data = x.as<uint16_t>();
  if (x.size() == 0 || (is_aligned(data) && s.columns % kTogether == 0)) return {data, s.columns};
  const int64_t rows = s.batch * s.rows, stride = parts_of(s.columns, kTogether) * kTogether;
  auto* copy = stream.scratch<uint16_t>(rows * stride);
  launch(stream, align_rows_kernel,
         {blocks_for(parts_of(rows * stride, kTileThreads)), kTileThreads}, data, rows, s.columns,
         stride, copy);
  return {copy, stride};
}

}  // namespace orthokit::cuda
