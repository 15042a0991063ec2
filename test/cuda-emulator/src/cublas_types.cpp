#include "cublas_types.h"

#include "cuda_bf16.h"
#include "cuda_fp16.h"

namespace cudaemu::blas {
namespace {

float to_tf32(float value) {  // 10 bits of fraction, ties to even
  unsigned bits = __float_as_uint(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return value;
  bits = (bits + 0xfffu + (bits >> 13 & 1u)) & ~0x1fffu;
  return __uint_as_float(bits);
}

}  // namespace

double load(const void* data, int type, size_t index) {
  switch (type) {
    case kF64:
      return static_cast<const double*>(data)[index];
    case kF32:
      return static_cast<const float*>(data)[index];
    case kF16:
      return __half2float(static_cast<const __half*>(data)[index]);
    default:
      return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[index]);
  }
}

void store(void* data, int type, size_t index, double value) {
  switch (type) {
    case kF64:
      static_cast<double*>(data)[index] = value;
      break;
    case kF32:
      static_cast<float*>(data)[index] = float(value);
      break;
    case kF16:
      static_cast<__half*>(data)[index] = __float2half_rn(float(value));
      break;
    default:
      static_cast<__nv_bfloat16*>(data)[index] = __float2bfloat16_rn(float(value));
  }
}

float rounded_input(float value, int type, int compute) {
  if (type != kF32) return value;
  switch (compute) {
    case kCompute32FastTf32:
      return to_tf32(value);
    case kCompute32FastBf16:
      return __bfloat162float(__float2bfloat16_rn(value));
    case kCompute32FastF16:
      return __half2float(__float2half_rn(value));
    default:
      return value;
  }
}

}  // namespace cudaemu::blas
