#include "cuda/device/reduce.cuh"
#include "cuda/kernel.h"
#include "cuda/kernels/quantized/shared/many_rows.cuh"
#include "math/rounded_input.h"
#include "ops/quantized/quantized_gemm.h"

namespace orthokit::cuda {

// Rows of a from which on tiles serve more than once what it takes to unpack them.
inline constexpr int64_t kManyRows = 9;

inline constexpr int kRoundedInputThreads = 128;

// A warp a group of a row: out = level · scale.
__global__ void __launch_bounds__(kRoundedInputThreads)
    round_inputs_kernel(const float* a, int64_t groups, int64_t group, float* out) {
  const int64_t warp = (int64_t(blockIdx.x) * kRoundedInputThreads + threadIdx.x) / kWarp;
  const int lane = int(threadIdx.x % kWarp);
  if (warp >= groups) return;
  a += warp * group, out += warp * group;
  float most = 0, doubt = 0;
  for (int64_t k = lane; k < group; k += kWarp) {
    most = Max::combine(most, fabsf(a[k]));
    doubt += a[k] * 0.0f;  // NaN of NaN and infinity
  }
  most = warp_reduce<Max>(most), doubt = warp_reduce<Sum>(doubt);
  const float scale = math::input_scale(most, doubt == 0);
  for (int64_t k = lane; k < group; k += kWarp) out[k] = math::input_level(a[k], scale) * scale;
}

static unsigned blocks_of(int64_t count, int64_t each) {
  return unsigned((count + each - 1) / each);
}

static void quantized_gemm(const QuantizedGemm& op, Stream& stream) {
  const int64_t inputs = op.a.shape[0], columns = op.c.shape[1];
  if (op.c.size() == 0) return;
  const GroupedRows w = grouped_rows(op.matrix(), op.codes, op.scales);
  const float* a = op.a.as<const float>();
  if (op.is_rounded() && op.a.size() > 0) {
    const int64_t groups = inputs * w.size.groups, warps = kRoundedInputThreads / kWarp;
    auto* rounded = stream.scratch<float>(op.a.size());
    launch(stream, round_inputs_kernel, {dim3(blocks_of(groups, warps)), kRoundedInputThreads}, a,
           groups, w.size.group, rounded);
    a = rounded;
  }
  const ProductTo to{float(op.beta), op.bias.as<const float>(), op.c.as<float>()};
  with_bits(op.bits, [&]<int bits>() {
    if (op.is_forward() && inputs < kManyRows) {
      for (int64_t first = 0; first < inputs; first += kFewInputs)
        launch(stream, few_rows_kernel<bits>,
               {dim3(blocks_of(columns, kFewThreads / kWarp)), kFewThreads}, w, a, first,
               int(std::min<int64_t>(kFewInputs, inputs - first)), to);
      return;
    }
    const auto kernel =
        op.is_forward() ? many_rows_kernel<bits, true> : many_rows_kernel<bits, false>;
    const unsigned across = op.is_forward() ? blocks_of(columns, kManySide)
                                            : 2 * blocks_of(columns, math::kBlockCodes),
                   down = blocks_of(inputs, kManySide);
    launch(stream, kernel, {dim3(across * down), kManyThreads}, w, ManyLeft{a, inputs, op.inner()},
           across, to);
  });
}
ORTHOKIT_KERNEL(QuantizedGemm, quantized_gemm);

}  // namespace orthokit::cuda
