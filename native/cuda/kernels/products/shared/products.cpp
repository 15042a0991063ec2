#include "cuda/kernels/products/shared/products.h"

#include <algorithm>
#include <cstddef>

namespace orthokit::cuda {
namespace {

constexpr int kDefaultAlgorithm = -1;
constexpr int64_t kMostMatrices = 65535;  // of one call: a grid's z

BlasType type_of(Dtype dtype) {
  constexpr BlasType types[] = {BlasType::kF32, BlasType::kF64, BlasType::kF16, BlasType::kBf16};
  return types[int(dtype)];
}

// Number: of alpha and beta.
template <class Number>
void multiply_in(const Blas& blas, const BlasProduct& p, BlasCompute compute) {
  const Number alpha = Number(p.alpha), beta = Number(p.beta);
  const BlasType type = type_of(p.dtype), c_type = type_of(p.result);
  const auto word = [](const BlasOperand& x) {
    return x.transposed ? BlasOp::kTranspose : BlasOp::kNone;
  };
  const auto stride = [](int64_t s) { return int(std::max<int64_t>(s, 1)); };
  const auto matrix = [](const void* data, Dtype dtype, int64_t at) {
    return static_cast<const std::byte*>(data) + size_t(at) * bytes_of(dtype);
  };
  for (int64_t i = 0; i < p.batch; i += kMostMatrices) {
    const void* a = matrix(p.a.data, p.dtype, i * p.a.step);
    const void* b = matrix(p.b.data, p.dtype, i * p.b.step);
    void* c = const_cast<std::byte*>(matrix(p.c, p.result, i * p.c_step));
    // By columns, what is row-major is transposed: cᵀ = op(b)ᵀ op(a)ᵀ.
    if (p.batch == 1)
      check_blas(
          blas.table().gemm(blas.handle(), word(p.b), word(p.a), int(p.n), int(p.m), int(p.k),
                            &alpha, b, type, stride(p.b.stride), a, type, stride(p.a.stride), &beta,
                            c, c_type, stride(p.c_stride), compute, kDefaultAlgorithm),
          "cublasGemmEx");
    else
      check_blas(blas.table().gemm_batched(
                     blas.handle(), word(p.b), word(p.a), int(p.n), int(p.m), int(p.k), &alpha, b,
                     type, stride(p.b.stride), p.b.step, a, type, stride(p.a.stride), p.a.step,
                     &beta, c, c_type, stride(p.c_stride), p.c_step,
                     int(std::min(kMostMatrices, p.batch - i)), compute, kDefaultAlgorithm),
                 "cublasGemmStridedBatchedEx");
  }
}

}  // namespace

void multiply(const Blas& blas, const BlasProduct& product) {
  if (product.dtype == Dtype::kF64)
    multiply_in<double>(blas, product, BlasCompute::kF64);
  else
    multiply_in<float>(blas, product, BlasCompute::kF32);
}

BlasProduct product_of(const Gemm& op) {
  const Matrices a = matrices(op.a), b = matrices(op.b), c = matrices(op.c);
  return {.dtype = op.a.dtype,
          .result = op.c.dtype,
          .batch = c.batch,
          .m = c.rows,
          .n = c.columns,
          .k = op.inner(),
          .alpha = op.alpha,
          .beta = op.beta,
          .a = {op.a.data, a.columns, a.rows * a.columns, op.trans_a != Transpose::kNone},
          .b = {op.b.data, b.columns, b.rows * b.columns, op.trans_b != Transpose::kNone},
          .c = op.c.data,
          .c_stride = c.columns,
          .c_step = c.rows * c.columns};
}

}  // namespace orthokit::cuda
