#include "cuda/kernels/products/shared/products.h"

#include <algorithm>
#include <cstddef>
#include <tuple>

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

void multiply_now(const Blas& blas, const BlasProduct& product) {
  if (product.dtype == Dtype::kF64)
    multiply_in<double>(blas, product, BlasCompute::kF64);
  else
    multiply_in<float>(blas, product, BlasCompute::kF32);
}

// One that is held back: in a graph it is a graph of its own, which cuBLAS fills. Which kernels
// those are may depend on all but the addresses, as far as these are aligned alike.
class ProductCall final : public Call {
 public:
  ProductCall(Stream& stream, const BlasProduct& product)
      : Call(&kProducts), stream_(stream), product_(product) {}
  void launch(cudaStream_t) const override { multiply_now(*stream_.blas(), product_); }
  cudaError_t add(cudaGraph_t graph, const cudaGraphNode_t* before,
                  cudaGraphNode_t* node) override {
    return with_captured([&](cudaGraph_t product) {
      return cudaGraphAddChildGraphNode(node, graph, before, before ? 1 : 0, product);
    });
  }
  cudaError_t update(cudaGraphExec_t executable, cudaGraphNode_t node) override {
    return with_captured([&](cudaGraph_t product) {
      return cudaGraphExecChildGraphNodeSetParams(executable, node, product);
    });
  }

 private:
  static constexpr char kProducts = 0;  // its address stands for the kind of call
  static auto sizes(const BlasProduct& p) {
    return std::tuple(p.dtype, p.result, p.batch, p.m, p.n, p.k, p.alpha, p.beta, p.a.stride,
                      p.a.step, p.a.transposed, p.b.stride, p.b.step, p.b.transposed, p.c_stride,
                      p.c_step, alignment(p.a.data), alignment(p.b.data), alignment(p.c));
  }
  static uintptr_t alignment(const void* data) {
    constexpr uintptr_t kMost = 256;
    const auto address = reinterpret_cast<uintptr_t>(data) % kMost;
    return address & (~address + 1);
  }
  static auto addresses(const BlasProduct& p) { return std::tuple(p.a.data, p.b.data, p.c); }
  bool is_alike(const Call& other) const override {
    return sizes(product_) == sizes(static_cast<const ProductCall&>(other).product_);
  }
  bool has_arguments_of(const Call& other) const override {
    return addresses(product_) == addresses(static_cast<const ProductCall&>(other).product_);
  }
  template <class Use>
  cudaError_t with_captured(const Use& use) const {
    cudaGraph_t product = nullptr;
    cudaError_t status =
        stream_.capture([&](const Blas& blas) { multiply_now(blas, product_); }, &product);
    if (status != cudaSuccess) return status;
    status = use(product);
    cudaGraphDestroy(product);  // the other graph has a copy
    return status;
  }

  Stream& stream_;
  const BlasProduct product_;
};

}  // namespace

void multiply(Stream& stream, const BlasProduct& product) {
  if (stream.graphs().collects())
    stream.graphs().add(std::make_unique<ProductCall>(stream, product));
  else
    multiply_now(*stream.blas(), product);
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
