#include "cuda/matrix.cuh"
#include "math/buckets.h"
#include "ops/rows/dequantize_rows.h"

namespace orthokit::cuda {

template <class T>
struct DequantizeRow {
  const uint8_t* codes;
  const T* ranges;
  T* out;
  RowCodes all;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    const uint8_t* own = codes + row * all.width;
    const math::Bucket bucket =
        math::bucket_of(double(ranges[2 * row]), double(ranges[2 * row + 1]), all.levels);
    Group<T, N> group;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const int64_t j = at + i;
      const int byte = own[all.is_packed() ? j / 2 : j], half = j % 2 == 0 ? byte >> 4 : byte & 15;
      group.of[i] = T(math::value_of(bucket, all.is_packed() ? half : byte));
    }
    store_group(out + row * all.columns, at, group);
  }
};

static void dequantize_rows(const DequantizeRows& op, Stream& stream) {
  const RowCodes all = row_codes(op.out, op.bits);
  visit(op.out.dtype, [&]<class T>() {
    for_matrix(stream, all.rows, all.columns,
               DequantizeRow<T>{op.codes.as<uint8_t>(), op.ranges.as<T>(), op.out.as<T>(), all});
  });
}
ORTHOKIT_KERNEL(DequantizeRows, dequantize_rows);

}  // namespace orthokit::cuda
