// Products of 16-bit matrices, and the ways around them.
#pragma once
#include "cuda/stream.h"
#include "ops/products/symmetric_product.h"

namespace orthokit::cuda {

inline bool holds_halves(const View& v) { return orthokit::is_half(v.dtype); }

// True if tensor cores of the device, and cuBLAS there, take the dtype; else its numbers are
// widened to f32.
inline bool multiplies_halves(const Stream& stream, Dtype dtype) {
  constexpr int kBfloat16 = 80;
  return dtype == Dtype::kF16 || stream.capability() >= kBfloat16;
}

// On tensor cores, by kernels of our own. c is not empty, and 16-bit as a and b are, or f32.
void half_gemm(const Gemm& op, Stream& stream);
void half_symmetric_product(const SymmetricProduct& op, Stream& stream);

// True if the tiles are taken where cuBLAS' panels could be: orthokit_bench measured that on a
// device of this kind (symmetric_choices.inc), or ORTHOKIT_SYMMETRIC=tiles, panels says it.
bool prefers_tiles(const Stream& stream, Dtype dtype, int64_t n, int64_t k);

// Tensors of x's shape in f32, in scratch memory.
View wide_like(const View& x, Stream& stream);
View widened(const View& x, Stream& stream);
void narrow(const View& wide, const View& out, Stream& stream);
// x, of f32, rounded to a 16-bit dtype.
View narrowed(const View& x, Dtype dtype, Stream& stream);

// Matrices whose rows begin at multiples of 16 bytes: x itself, or a copy in scratch memory.
struct AlignedRows {
  const void* data;
  int64_t stride;  // elements
};
AlignedRows align_rows(const View& x, Stream& stream);

}  // namespace orthokit::cuda
