// Kernels that compute on f32 or f64 tensors, on tensors of 16 bits: on f32 copies of them, rounded
// once.
#pragma once
#include "cuda/matrix.cuh"
#include "ops/shared/widened.h"

namespace orthokit::cuda {

template <class From, class To>
struct ConvertElements {
  const From* from;
  To* to;
  template <int N>
  __device__ void operator()(int64_t, int64_t at) const {
    map_group<N>(
        at, to, [](int64_t, From v) { return convert<To>(v); }, from);
  }
};

template <class Op>
void in_wide(const Op& op, Stream& stream, void (*kernel)(const Op&, Stream&)) {
  Op wide = op;
  Widened<Stream> widened(stream);
  wide.fields(widened);
  for (const auto& copy : widened.copies())
    if (copy.read)
      visit_half(copy.half.dtype, [&]<class H>() {
        for_matrix(
            stream, 1, copy.half.size(),
            ConvertElements<H, float>{copy.half.template as<H>(), copy.wide.template as<float>()});
      });
  kernel(wide, stream);
  for (const auto& copy : widened.copies())
    if (copy.written)
      visit_half(copy.half.dtype, [&]<class H>() {
        for_matrix(
            stream, 1, copy.half.size(),
            ConvertElements<float, H>{copy.wide.template as<float>(), copy.half.template as<H>()});
      });
}

}  // namespace orthokit::cuda

// ORTHOKIT_KERNEL for kernels that compute on f32 or f64, of an op that takes 16 bits too.
#define ORTHOKIT_WIDE_KERNEL(Op, kernel)                                                         \
  static void kernel##_of_any(const Op& op, Stream& stream) { in_wide<Op>(op, stream, kernel); } \
  ORTHOKIT_KERNEL(Op, kernel##_of_any)
