// The stand-in for cuBLAS, opened as the plug-in opens the real one, against plain loops.
#include <dlfcn.h>

#include <cmath>
#include <cstdlib>

#include "support.h"

namespace {

using Handle = void*;
constexpr int kF32 = 0, kF64 = 1, kBf16 = 14, kCompute32 = 68, kCompute64 = 70, kTf32 = 77;
constexpr int kInvalid = 7, kUnsupported = 15, kAllocFailed = 3;

template <class F>
F* symbol(const char* name) {
  static void* library = dlopen(std::getenv("CUBLAS"), RTLD_NOW | RTLD_LOCAL);
  REQUIRE_MESSAGE(library, dlerror());
  void* found = dlsym(library, name);
  REQUIRE_MESSAGE(found, name);
  return reinterpret_cast<F*>(found);
}

int gemm(Handle h, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int at,
         int lda, const void* b, int bt, int ldb, const void* beta, void* c, int ct, int ldc,
         int compute) {
  using F = int(Handle, int, int, int, int, int, const void*, const void*, int, int, const void*,
                int, int, const void*, void*, int, int, int, int);
  return symbol<F>("cublasGemmEx")(h, ta, tb, m, n, k, alpha, a, at, lda, b, bt, ldb, beta, c, ct,
                                   ldc, compute, -1);
}

class Blas {
 public:
  Blas() {
    REQUIRE_EQ(symbol<int(Handle*)>("cublasCreate_v2")(&handle_), 0);
    REQUIRE_EQ(symbol<int(Handle, cudaStream_t)>("cublasSetStream_v2")(handle_, stream), 0);
  }
  ~Blas() { symbol<int(Handle)>("cublasDestroy_v2")(handle_); }
  operator Handle() const { return handle_; }
  const TestStream stream;

 private:
  Handle handle_ = nullptr;
};

const float kOne = 1, kZero = 0;

std::vector<__nv_bfloat16> bf16(const std::vector<float>& values) {
  std::vector<__nv_bfloat16> out;
  for (const float v : values) out.push_back(__float2bfloat16_rn(v));
  return out;
}

}  // namespace

TEST_CASE("cuBLAS: products of bf16, whole and by blocks of one triangle") {
  const Clean clean;
  const Blas blas;
  const int n = 96, k = 40;
  const auto x = bf16(normal(size_t(n * k)));  // n x k, row-major
  std::vector<double> expected(size_t(n * n));
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j)
      for (int q = 0; q < k; ++q)
        expected[size_t(j * n + i)] +=
            double(__bfloat162float(x[size_t(i * k + q)])) * __bfloat162float(x[size_t(j * k + q)]);
  const Buffer<__nv_bfloat16> dx(x, blas.stream);
  const Buffer<float> dc(size_t(n * n), blas.stream);
  CHECK_EQ(
      gemm(blas, 1, 0, n, n, k, &kOne, dx, kBf16, k, dx, kBf16, k, &kZero, dc, kF32, n, kCompute32),
      0);
  const std::vector<float> c = dc.read();
  for (size_t i = 0; i < c.size(); ++i) REQUIRE_LT(std::fabs(c[i] - expected[i]), 1e-4);

  using Batched =
      int(Handle, int, int, int, int, int, const void*, const void* const*, int, int,
          const void* const*, int, int, const void*, void* const*, int, int, int, int, int);
  for (const int parts : {1, 2, 3, 4, 6, 8}) {
    const int block = n / parts;
    std::vector<const void*> a, b;
    std::vector<void*> to;
    for (int i = 0; i < parts; ++i)
      for (int j = 0; j <= i; ++j) {
        a.push_back(dx + i * block * k);
        b.push_back(dx + j * block * k);
        to.push_back(dc + j * block * n + i * block);
      }
    const Buffer<const void*> da(a, blas.stream), db(b, blas.stream);
    const Buffer<void*> dto(to, blas.stream);
    CUDA(cudaMemsetAsync(dc, 0xff, size_t(n * n) * sizeof(float), blas.stream));
    CHECK_EQ(symbol<Batched>("cublasGemmBatchedEx")(blas, 1, 0, block, block, k, &kOne, da, kBf16,
                                                    k, db, kBf16, k, &kZero, dto, kF32, n,
                                                    int(a.size()), kCompute32, -1),
             0);
    const std::vector<float> blocks = dc.read();
    for (int j = 0; j < n; ++j)
      for (int i = j; i < n; ++i)
        REQUIRE_LT(std::fabs(blocks[size_t(j * n + i)] - expected[size_t(j * n + i)]), 1e-4);
  }
}

TEST_CASE("cuBLAS: strided batches in double, beta, and scalars on the device") {
  const Clean clean;
  const Blas blas;
  const int m = 5, n = 3, k = 4, batch = 2;
  std::vector<double> a, b, c;
  for (const float v : normal(size_t(m * k * batch))) a.push_back(v);
  for (const float v : normal(size_t(k * n * batch), 8)) b.push_back(v);
  for (const float v : normal(size_t(m * n * batch), 9)) c.push_back(v);
  const Buffer<double> da(a, blas.stream), db(b, blas.stream), dc(c, blas.stream);
  const Buffer<double> scalars(std::vector<double>{0.5, 2}, blas.stream);
  CHECK_EQ(symbol<int(Handle, int)>("cublasSetPointerMode_v2")(blas, 1), 0);
  using Strided =
      int(Handle, int, int, int, int, int, const void*, const void*, int, int, long long,
          const void*, int, int, long long, const void*, void*, int, int, long long, int, int, int);
  CHECK_EQ(symbol<Strided>("cublasGemmStridedBatchedEx")(blas, 0, 0, m, n, k, scalars + 0, da, kF64,
                                                         m, m * k, db, kF64, k, k * n, scalars + 1,
                                                         dc, kF64, m, m * n, batch, kCompute64, -1),
           0);
  const std::vector<double> got = dc.read();
  for (int q = 0; q < batch; ++q)
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < m; ++i) {
        double sum = 0;
        for (int l = 0; l < k; ++l)
          sum += a[size_t(q * m * k + l * m + i)] * b[size_t(q * k * n + j * k + l)];
        const size_t at = size_t(q * m * n + j * m + i);
        CHECK_LT(std::fabs(got[at] - (0.5 * sum + 2 * c[at])), 1e-12);
      }
}

TEST_CASE("cuBLAS: TF32 rounds its inputs, plain f32 does not") {
  const Clean clean;
  const Blas blas;
  const float fine = 1 + 0x1p-12f;
  const Buffer<float> x(std::vector<float>{fine}, blas.stream), out(1, blas.stream);
  gemm(blas, 0, 0, 1, 1, 1, &kOne, x, kF32, 1, x, kF32, 1, &kZero, out, kF32, 1, kTf32);
  CHECK_EQ(out.read()[0], 1.f);
  gemm(blas, 0, 0, 1, 1, 1, &kOne, x, kF32, 1, x, kF32, 1, &kZero, out, kF32, 1, kCompute32);
  CHECK_EQ(out.read()[0], fine * fine);
}

TEST_CASE("cuBLAS: syrk, symm, trsm and geam") {
  const Clean clean;
  const Blas blas;
  const std::vector<float> a{2, 1, 0, 3}, b{4, 5};  // a = [2 0; 1 3] by columns
  const Buffer<float> da(a, blas.stream), db(b, blas.stream), lower(4, blas.stream);
  CUDA(cudaMemsetAsync(lower, 0, 16, blas.stream));
  using Syrk =
      int(Handle, int, int, int, int, const float*, const float*, int, const float*, float*, int);
  CHECK_EQ(symbol<Syrk>("cublasSsyrk_v2")(blas, 0, 0, 2, 2, &kOne, da, 2, &kZero, lower, 2), 0);
  CHECK_EQ(lower.read(), std::vector<float>{4, 2, 0, 10});
  const Buffer<float> out(2, blas.stream);
  using Symm = int(Handle, int, int, int, int, const float*, const float*, int, const float*, int,
                   const float*, float*, int);
  CHECK_EQ(symbol<Symm>("cublasSsymm_v2")(blas, 0, 0, 2, 1, &kOne, da, 2, db, 2, &kZero, out, 2),
           0);
  CHECK_EQ(out.read(), std::vector<float>{13, 19});
  using Trsm =
      int(Handle, int, int, int, int, int, int, const float*, const float*, int, float*, int);
  CHECK_EQ(symbol<Trsm>("cublasStrsm_v2")(blas, 0, 0, 0, 0, 2, 1, &kOne, da, 2, db, 2), 0);
  CHECK_EQ(db.read(), std::vector<float>{2, 1});
  using Geam = int(Handle, int, int, int, int, const float*, const float*, int, const float*,
                   const float*, int, float*, int);
  const Buffer<float> sum(4, blas.stream);
  CHECK_EQ(symbol<Geam>("cublasSgeam")(blas, 1, 0, 2, 2, &kOne, da, 2, &kOne, da, 2, sum, 2), 0);
  CHECK_EQ(sum.read(), std::vector<float>{4, 1, 1, 6});
}

TEST_CASE("cuBLAS: wrong arguments, ordered failures, operands out of bounds") {
  const Clean clean;
  const Blas blas;
  const int n = 8, k = 4;
  const Buffer<float> x(normal(size_t(n * k)), blas.stream), c(size_t(n * n), blas.stream);
  const auto product = [&](int type_b, int stride, int depth) {
    return gemm(blas, 1, 0, n, n, depth, &kOne, x, kF32, stride, x, type_b, stride, &kZero, c, kF32,
                n, kCompute32);
  };
  CHECK_EQ(product(kF32, k - 1, k), kInvalid);
  CHECK_EQ(product(kBf16, k, k), kUnsupported);
  CHECK_EQ(
      gemm(nullptr, 0, 0, 1, 1, 1, &kOne, x, kF32, 1, x, kF32, 1, &kZero, c, kF32, 1, kCompute32),
      1);
  cudaemu_control("fail=cublasGemmEx:2:2");
  CHECK_EQ(product(kF32, k, k), 0);
  CHECK_EQ(product(kF32, k, k), kAllocFailed);
  CHECK_EQ(product(kF32, k, k), 0);
  cudaemu_control("fail=cublasCreate:1:999");
  Handle none = nullptr;
  CHECK_EQ(symbol<int(Handle*)>("cublasCreate_v2")(&none), 1);
  CHECK_EQ(none, nullptr);
}

TEST_CASE("cuBLAS: an operand past its allocation is found") {
  cudaemu_control("clear");
  {
    const Blas blas;
    const int n = 8, k = 4;
    float *x = nullptr, *c = nullptr;
    CUDA(cudaMalloc(&x, n * k * sizeof(float)));
    CUDA(cudaMalloc(&c, n * n * sizeof(float)));
    const std::vector<float> values = normal(size_t(n * k));
    CUDA(cudaMemcpy(x, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice));
    const auto product = [&](int depth) {
      gemm(blas, 1, 0, n, n, depth, &kOne, x, kF32, depth, x, kF32, depth, &kZero, c, kF32, n,
           kCompute32);
      cudaStreamSynchronize(blas.stream);
      return cudaemu_control("findings?");
    };
    CHECK_EQ(product(k), 0);
    CHECK_EQ(product(k + 1), 1);
    cudaemu_control("clear");
  }
  CHECK_EQ(cudaemu_control("findings?"), 0);
}

TEST_CASE("cuBLAS: a capture takes products of a handle with a workspace of the caller's alone") {
  const Clean clean;
  const Blas blas;
  const int n = 8, k = 4;
  const Buffer<float> x(normal(size_t(n * k)), blas.stream), c(size_t(n * n), blas.stream);
  const Buffer<char> workspace(1024, blas.stream);
  const auto product = [&] {
    return gemm(blas, 1, 0, n, n, k, &kOne, x, kF32, k, x, kF32, k, &kZero, c, kF32, n, kCompute32);
  };
  REQUIRE_EQ(product(), 0);
  const std::vector<float> expected = c.read();
  cudaGraph_t graph;
  CUDA(cudaStreamBeginCapture(blas.stream, cudaStreamCaptureModeThreadLocal));
  CHECK_EQ(product(), kUnsupported);
  CUDA(cudaStreamEndCapture(blas.stream, &graph));
  CUDA(cudaGraphDestroy(graph));

  using SetWorkspace = int(Handle, void*, size_t);
  REQUIRE_EQ(symbol<SetWorkspace>("cublasSetWorkspace_v2")(blas, workspace, 1024), 0);
  CUDA(kernels::fill(c, n * n, 0.f, blas.stream));
  CUDA(cudaStreamBeginCapture(blas.stream, cudaStreamCaptureModeThreadLocal));
  REQUIRE_EQ(product(), 0);
  CUDA(cudaStreamEndCapture(blas.stream, &graph));
  CHECK_EQ(c.read()[1], 0.f);
  cudaGraphExec_t executable;
  CUDA(cudaGraphInstantiate(&executable, graph, 0));
  CUDA(cudaGraphLaunch(executable, blas.stream));
  CHECK(c.read() == expected);
  CUDA(cudaGraphExecDestroy(executable));
  CUDA(cudaGraphDestroy(graph));
}
