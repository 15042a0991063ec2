#include "cuda/device/reduce.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"
#include "math/buckets.h"
#include "ops/rows/quantize_rows.h"

namespace orthokit::cuda {

inline constexpr int kQuantizeThreads = 256;

// A block a row; a thread writes whole bytes.
template <class T>
__global__ void __launch_bounds__(kQuantizeThreads)
    quantize_rows_kernel(const T* all_x, RowCodes all, const double* guard, uint8_t* all_codes,
                         T* ranges) {
  if (guard && *guard != 0) return;
  for (int64_t row = blockIdx.x; row < all.rows; row += gridDim.x) {
    const T* x = all_x + row * all.columns;
    uint8_t* codes = all_codes + row * all.width;
    T least = -INFINITY, most = -INFINITY, doubt = 0;  // the negative of the least
    for (int64_t j = threadIdx.x; j < all.columns; j += kQuantizeThreads) {
      least = Max::combine(least, -x[j]), most = Max::combine(most, x[j]);
      doubt += x[j] * T(0);  // NaN of NaN and infinity
    }
    least = -block_reduce<Max>(least), most = block_reduce<Max>(most);
    if (block_reduce<Sum>(doubt) != 0) least = most = T(NAN);
    if (all.columns == 0) least = most = 0;
    if (threadIdx.x == 0) ranges[2 * row] = least, ranges[2 * row + 1] = most;
    const math::Bucket bucket = math::bucket_of(double(least), double(most), all.levels);
    const auto code = [&](int64_t j) {
      return j < all.columns ? math::code_of(bucket, double(x[j]), all.levels) : 0;
    };
    for (int64_t i = threadIdx.x; i < all.width; i += kQuantizeThreads)
      codes[i] = uint8_t(all.is_packed() ? code(2 * i) << 4 | code(2 * i + 1) : code(i));
  }
}

static void quantize_rows(const QuantizeRows& op, Stream& stream) {
  const RowCodes all = row_codes(op.x, op.bits);
  if (all.rows == 0) return;
  visit(op.x.dtype, [&]<class T>() {
    launch(stream, quantize_rows_kernel<T>, {blocks_for(all.rows), kQuantizeThreads},
           op.x.as<const T>(), all, op.guard.as<const double>(), op.codes.as<uint8_t>(),
           op.ranges.as<T>());
  });
}
ORTHOKIT_KERNEL(QuantizeRows, quantize_rows);

}  // namespace orthokit::cuda
