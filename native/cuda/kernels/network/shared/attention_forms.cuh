// Which tiles compute attention: on tensor cores where the device multiplies the dtype and heads
// are not long.
#pragma once
#include "cuda/kernels/network/shared/attention_half.cuh"
#include "cuda/kernels/network/shared/attention_plain.cuh"
#include "cuda/kernels/products/shared/half_products.h"

namespace orthokit::cuda {

// run.operator()<Tiles>() with tiles of `owned` tiles of a block's own, for heads of this size.
template <int owned, class Run>
void with_attention_tiles(const Stream& stream, Dtype dtype, int64_t size, const Run& run) {
  if (orthokit::is_half(dtype))
    return visit_half(dtype, [&]<class S>() {
      if (size > 128 || !multiplies_halves(stream, dtype))
        return run.template operator()<PlainAttention<S, float, 256>>();
      if (size <= 32) return run.template operator()<HalfAttention<S, 32, owned>>();
      if (size <= 64) return run.template operator()<HalfAttention<S, 64, owned>>();
      run.template operator()<HalfAttention<S, 128, owned>>();
    });
  visit(dtype, [&]<class T>() {
    if (size <= 32) return run.template operator()<PlainAttention<T, T, 32>>();
    if (size <= 64) return run.template operator()<PlainAttention<T, T, 64>>();
    if (size <= 128) return run.template operator()<PlainAttention<T, T, 128>>();
    run.template operator()<PlainAttention<T, T, 256>>();
  });
}

}  // namespace orthokit::cuda
