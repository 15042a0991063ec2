// Products by cuBLAS, for row-major matrices.
#pragma once
#include "cuda/stream.h"
#include "ops/products/gemm.h"

namespace orthokit::cuda {

// op(x) of a batch: `step` elements between matrices, `stride` between rows.
struct BlasOperand {
  const void* data;
  int64_t stride, step;
  bool transposed;
};

// c = alpha op(a) op(b) + beta c, c m × n. Products and sums in the dtype itself, not in TF32; of
// 16-bit numbers in f32, and c is 16-bit or f32.
struct BlasProduct {
  Dtype dtype, result;  // of a and b; of c
  int64_t batch, m, n, k;
  double alpha, beta;
  BlasOperand a, b;
  void* c;
  int64_t c_stride, c_step;
};
void multiply(Stream& stream, const BlasProduct& product);
// Without what else the operation adds.
BlasProduct product_of(const Gemm& op);

}  // namespace orthokit::cuda
