#include "cuda/kernel.h"
#include "cuda/kernels/quantized/shared/codes.cuh"
#include "cuda/vector.cuh"
#include "ops/quantized/dequantize_groups.h"

namespace orthokit::cuda {

inline constexpr int kUnpackThreads = 256;

// A thread a lane of a block: the lanes of a warp write runs of 16 neighbours.
template <int bits, class T>
__global__ void __launch_bounds__(kUnpackThreads) dequantize_groups_kernel(GroupedRows w, T* out) {
  const int64_t columns = w.size.row.columns,
                blocks = (columns + math::kBlockCodes - 1) / math::kBlockCodes,
                lanes = w.size.rows * blocks * math::kCodeLanes;
  for (int64_t i = int64_t(blockIdx.x) * kUnpackThreads + threadIdx.x; i < lanes;
       i += int64_t(gridDim.x) * kUnpackThreads) {
    const int lane = int(i % math::kCodeLanes);
    const int64_t block = i / math::kCodeLanes % blocks, row = i / math::kCodeLanes / blocks;
    const uint64_t word = lane_of<bits>(w, row, block, lane);
    const float* scales = w.scales_of(row);
#pragma unroll
    for (int h = 0; h < math::kLaneCodes; ++h) {
      const int64_t k = block * math::kBlockCodes + h * math::kCodeLanes + lane;
      if (k < columns)
        out[row * columns + k] = convert<T>(number_of<bits>(word, h) * scales[k / w.size.group]);
    }
  }
}

static void dequantize_groups(const DequantizeGroups& op, Stream& stream) {
  const Grouped size = grouped(op.out.shape[0], op.out.shape[1], op.scales, op.bits);
  if (op.out.size() == 0) return;
  constexpr int64_t kMostBlocks = 1 << 16;
  const int64_t lanes = size.rows *
                        ((size.row.columns + math::kBlockCodes - 1) / math::kBlockCodes) *
                        math::kCodeLanes;
  const int64_t blocks = std::min(kMostBlocks, (lanes + kUnpackThreads - 1) / kUnpackThreads);
  const GroupedRows w = grouped_rows(size, op.codes, op.scales);
  with_bits(op.bits, [&]<int bits>() {
    visit_storage(op.out.dtype, [&]<class T>() {
      if constexpr (!std::is_integral_v<T>)
        launch(stream, dequantize_groups_kernel<bits, T>, {dim3(unsigned(blocks)), kUnpackThreads},
               w, op.out.as<T>());
    });
  });
}
ORTHOKIT_KERNEL(DequantizeGroups, dequantize_groups);

}  // namespace orthokit::cuda
