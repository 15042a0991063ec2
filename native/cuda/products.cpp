#include "cuda/products.h"

#include <algorithm>

namespace orthokit::cuda {
namespace {

constexpr int kDefaultAlgorithm = -1;
constexpr int64_t kMostMatrices = 65535;  // of one call: a grid's z

template <class T>
void multiply_in(const Blas& blas, const BlasProduct& p, BlasType type, BlasCompute compute) {
  const T alpha = T(p.alpha), beta = T(p.beta);
  const auto word = [](const BlasOperand& x) {
    return x.transposed ? BlasOp::kTranspose : BlasOp::kNone;
  };
  const auto stride = [](int64_t s) { return int(std::max<int64_t>(s, 1)); };
  for (int64_t i = 0; i < p.batch; i += kMostMatrices) {
    const auto* a = static_cast<const T*>(p.a.data) + i * p.a.step;
    const auto* b = static_cast<const T*>(p.b.data) + i * p.b.step;
    T* c = static_cast<T*>(p.c) + i * p.c_step;
    // By columns, what is row-major is transposed: cᵀ = op(b)ᵀ op(a)ᵀ.
    if (p.batch == 1)
      check_blas(
          blas.table().gemm(blas.handle(), word(p.b), word(p.a), int(p.n), int(p.m), int(p.k),
                            &alpha, b, type, stride(p.b.stride), a, type, stride(p.a.stride), &beta,
                            c, type, stride(p.c_stride), compute, kDefaultAlgorithm),
          "cublasGemmEx");
    else
      check_blas(blas.table().gemm_batched(
                     blas.handle(), word(p.b), word(p.a), int(p.n), int(p.m), int(p.k), &alpha, b,
                     type, stride(p.b.stride), p.b.step, a, type, stride(p.a.stride), p.a.step,
                     &beta, c, type, stride(p.c_stride), p.c_step,
                     int(std::min(kMostMatrices, p.batch - i)), compute, kDefaultAlgorithm),
                 "cublasGemmStridedBatchedEx");
  }
}

}  // namespace

void multiply(const Blas& blas, const BlasProduct& product) {
  if (product.dtype == Dtype::kF32)
    multiply_in<float>(blas, product, BlasType::kF32, BlasCompute::kF32);
  else
    multiply_in<double>(blas, product, BlasType::kF64, BlasCompute::kF64);
}

void blas_gemm(const Blas& blas, const Gemm& op) {
  const Matrices a = matrices(op.a), b = matrices(op.b), c = matrices(op.c);
  multiply(blas, {.dtype = op.c.dtype,
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
                  .c_step = c.rows * c.columns});
}

}  // namespace orthokit::cuda
