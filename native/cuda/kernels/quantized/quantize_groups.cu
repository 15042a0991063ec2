#include "cuda/device/reduce.cuh"
#include "cuda/kernel.h"
#include "cuda/kernels/quantized/shared/codes.cuh"
#include "cuda/vector.cuh"
#include "ops/quantized/quantize_groups.h"

namespace orthokit::cuda {

inline constexpr int kPackThreads = 128;

// A block a row: a warp finds the scale of a group, then a thread packs a lane.
template <class T>
__global__ void __launch_bounds__(kPackThreads)
    quantize_groups_kernel(const T* all, Grouped size, double levels, uint8_t* codes,
                           float* scales) {
  using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;
  const int64_t columns = size.row.columns,
                blocks = (columns + math::kBlockCodes - 1) / math::kBlockCodes;
  for (int64_t row = blockIdx.x; row < size.rows; row += gridDim.x) {
    const T* x = all + row * columns;
    float* own = scales + row * size.groups;
    for (int64_t g = threadIdx.x / kWarp; g < size.groups; g += kPackThreads / kWarp) {
      Wide most = 0, doubt = 0;
      for (int64_t k = int64_t(threadIdx.x) % kWarp; k < size.group; k += kWarp) {
        const Wide value = convert<Wide>(x[g * size.group + k]);
        most = Max::combine(most, value < 0 ? -value : value);
        doubt += value * Wide(0);  // NaN of NaN and infinity
      }
      most = warp_reduce<Max>(most), doubt = warp_reduce<Sum>(doubt);
      float scale = float(double(most) / levels);
      if (doubt != 0 || scale > std::numeric_limits<float>::max()) scale = NAN;
      if (threadIdx.x % kWarp == 0) own[g] = scale;
    }
    __syncthreads();
    for (int64_t i = threadIdx.x; i < blocks * math::kCodeLanes; i += kPackThreads) {
      const int lane = int(i % math::kCodeLanes);
      const int64_t block = i / math::kCodeLanes;
      uint64_t word = 0;
      for (int h = 0; h < math::kLaneCodes; ++h) {
        const int64_t k = block * math::kBlockCodes + h * math::kCodeLanes + lane;
        if (k >= columns) break;
        const float scale = own[k / size.group];
        if (!(scale > 0)) continue;
        const double code = rint(convert<double>(x[k]) / double(scale));
        const auto whole = int32_t(code < -levels ? -levels : code > levels ? levels : code);
        word |= uint64_t(uint32_t(whole) & ((1u << size.row.bits) - 1)) << (size.row.bits * h);
      }
      math::write_lane(codes + row * size.row.bytes() + block * size.row.block_bytes(),
                       size.row.bytes_of_lane(block), lane, word);
    }
    __syncthreads();
  }
}

static void quantize_groups(const QuantizeGroups& op, Stream& stream) {
  const Grouped size = grouped(op.x.shape[0], op.x.shape[1], op.scales, op.bits);
  if (op.x.size() == 0) return;
  constexpr int64_t kMostBlocks = 1 << 20;
  const auto blocks = unsigned(std::min(kMostBlocks, size.rows));
  visit_storage(op.x.dtype, [&]<class T>() {
    if constexpr (!std::is_integral_v<T>)
      launch(stream, quantize_groups_kernel<T>, {dim3(blocks), kPackThreads}, op.x.as<const T>(),
             size, largest_code(op.bits), op.codes.as<uint8_t>(), op.scales.as<float>());
  });
}
ORTHOKIT_KERNEL(QuantizeGroups, quantize_groups);

}  // namespace orthokit::cuda
