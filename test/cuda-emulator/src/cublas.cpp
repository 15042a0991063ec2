// Stands for libcublas.so where the plug-in opens it at run time: the same names, argument order and
// numbers. Stream order, scalars on host or device, argument checks and the rounding of inputs are
// cuBLAS'; the order of its sums is not.
#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cublas_products.h"
#include "device_operands.h"

using namespace cudaemu::blas;

namespace {

constexpr uint32_t kLive = 0xb1a5;
struct Handle {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;  // the caller's
  int pointer_mode = 0, math_mode = 0;
  uint32_t magic = kLive;
};
bool is_live(const Handle* h) { return h && h->magic == kLive; }

// cuBLAS has static objects; who calls it behind their end calls into ruins.
class Ruins {
 public:
  ~Ruins() { ended_ = true; }
  void refuse() const {
    if (!ended_) return;
    std::fprintf(stderr, "cudaemu: cuBLAS is called after its end\n");
    std::abort();
  }

 private:
  bool ended_ = false;
} ruins;

int status_of(cudaError_t code) {
  if (code == cudaSuccess) return kSuccess;
  return code == cudaErrorMemoryAllocation ? kAllocFailed : kExecutionFailed;
}

// Runs `f` in the order of the handle's stream.
template <class F>
int queue(const Handle* h, const char* name, F f) {
  // Its own would be asked for while a stream captures.
  if (!h->workspace && cudaemu_is_capturing(h->stream)) return kNotSupported;
  return status_of(cudaemu_enqueue(
      h->stream, [](void* p) { (*static_cast<F*>(p))(); },
      [](void* p) { delete static_cast<F*>(p); }, new F(std::move(f)), name));
}

class Scalar {  // of the host: read now; of the device: when the operation runs
 public:
  Scalar(const Handle* h, const void* p, int type) : p_(p), type_(type) {
    if (h->pointer_mode == kPointerModeDevice) return;
    value_ = load(p, type, 0);
    p_ = nullptr;
  }
  double value() const {
    if (!p_) return value_;
    return cudaemu_check_read(p_, bytes_of(type_), "scalar of a product") ? load(p_, type_, 0)
                                                                          : NAN;
  }

 private:
  const void* p_;
  int type_;
  double value_ = 0;
};

int scalar_type(int compute) {
  return compute == kCompute64 || compute == kCompute64Pedantic ? kF64 : kF32;
}

bool supported(int a, int b, int c, int compute) {
  if (a != b) return false;
  switch (compute) {
    case kCompute64:
    case kCompute64Pedantic:
      return a == kF64 && c == kF64;
    case kCompute32:
    case kCompute32Pedantic:
      return a == kF32 ? c == kF32 : (a == kBf16 || a == kF16) && (c == a || c == kF32);
    case kCompute32FastTf32:
    case kCompute32FastBf16:
    case kCompute32FastF16:
      return a == kF32 && c == kF32;
    default:
      return false;
  }
}

struct Shape {
  int transpose_a, transpose_b, m, n, k, a_stride, b_stride, c_stride, batch;
  bool valid() const {
    return transpose_a >= 0 && transpose_a <= 2 && transpose_b >= 0 && transpose_b <= 2 && m >= 0 &&
           n >= 0 && k >= 0 && batch >= 0 && a_stride >= std::max(1, transpose_a ? k : m) &&
           b_stride >= std::max(1, transpose_b ? n : k) && c_stride >= std::max(1, m);
  }
};

struct Types {
  int a, b, c, compute;
};

int check(const Handle* h, const Shape& s, const Types& t) {
  ruins.refuse();
  if (!is_live(h)) return kNotInitialized;
  if (!s.valid()) return kInvalidValue;
  return supported(t.a, t.b, t.c, t.compute) ? kSuccess : kNotSupported;
}

Product product(const Shape& s, const Types& t, const void* a, const void* b, void* c, double alpha,
                double beta) {
  return {s.transpose_a != 0,
          s.transpose_b != 0,
          s.m,
          s.n,
          s.k,
          {a, t.a, s.a_stride},
          {b, t.b, s.b_stride},
          c,
          t.c,
          s.c_stride,
          t.compute,
          alpha,
          beta};
}

template <class T>
T* offset(T* p, int type, long long elements) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  return static_cast<Byte*>(p) + elements * (long long)(bytes_of(type));
}

}  // namespace

ORTHOKIT_EMULATOR_API int cublasCreate_v2(Handle** h) {
  *h = nullptr;
  if (const cudaError_t code = cudaemu_enter("cublasCreate"))
    return code == cudaErrorMemoryAllocation ? kAllocFailed : kNotInitialized;
  *h = new Handle;
  return kSuccess;
}
ORTHOKIT_EMULATOR_API int cublasDestroy_v2(Handle* h) {
  if (!is_live(h)) return kNotInitialized;
  h->magic = 0;
  delete h;
  return status_of(cudaemu_enter("cublasDestroy"));
}
ORTHOKIT_EMULATOR_API int cublasSetStream_v2(Handle* h, cudaStream_t stream) {
  if (!is_live(h)) return kNotInitialized;
  if (const cudaError_t code = cudaemu_enter("cublasSetStream")) return status_of(code);
  h->stream = stream;
  h->workspace = nullptr;  // as cuBLAS does
  return kSuccess;
}
ORTHOKIT_EMULATOR_API int cublasSetPointerMode_v2(Handle* h, int mode) {
  if (!is_live(h)) return kNotInitialized;
  h->pointer_mode = mode;
  return kSuccess;
}
ORTHOKIT_EMULATOR_API int cublasSetMathMode(Handle* h, int mode) {
  if (!is_live(h)) return kNotInitialized;
  h->math_mode = mode;
  return kSuccess;
}
ORTHOKIT_EMULATOR_API int cublasSetWorkspace_v2(Handle* h, void* p, size_t bytes) {
  if (!is_live(h)) return kNotInitialized;
  if (p && !cudaemu_is_device_range(p, bytes)) return kInvalidValue;
  h->workspace = p;
  return kSuccess;
}
ORTHOKIT_EMULATOR_API int cublasGetVersion_v2(Handle*, int* version) {
  *version = 130000;
  return kSuccess;
}
ORTHOKIT_EMULATOR_API int cublasGetProperty(int which, int* value) {
  if (which < 0 || which > 2) return kInvalidValue;
  *value = which == 0 ? 13 : 0;
  return kSuccess;
}
ORTHOKIT_EMULATOR_API const char* cublasGetStatusString(int status) {
  switch (status) {
    case kSuccess:
      return "success";
    case kNotInitialized:
      return "the library was not initialized";
    case kAllocFailed:
      return "the resource allocation failed";
    case kInvalidValue:
      return "an invalid value was used as input";
    case kExecutionFailed:
      return "the function failed to launch on the GPU";
    case kNotSupported:
      return "the requested function is not supported";
    default:
      return "unknown error";
  }
}

namespace {

struct Steps {  // between the matrices of a batch, in elements
  long long a, b, c;
};

int gemm(Handle* h, const char* name, const Shape& s, Types t, const Steps& next, const void* alpha,
         const void* a, const void* b, const void* beta, void* c) {
  if (is_live(h) && h->math_mode == kMathTf32 && t.compute == kCompute32 && t.a == kF32)
    t.compute = kCompute32FastTf32;
  if (const int wrong = check(h, s, t)) return wrong;
  const Scalar by(h, alpha, scalar_type(t.compute)), keep(h, beta, scalar_type(t.compute));
  return queue(h, name, [=] {
    for (int i = 0; i < s.batch; ++i)
      multiply(product(s, t, offset(a, t.a, i * next.a), offset(b, t.b, i * next.b),
                       offset(c, t.c, i * next.c), by.value(), keep.value()));
  });
}

}  // namespace

ORTHOKIT_EMULATOR_API int cublasGemmStridedBatchedEx(
    Handle* h, int transpose_a, int transpose_b, int m, int n, int k, const void* alpha,
    const void* a, int a_type, int a_stride, long long a_next, const void* b, int b_type,
    int b_stride, long long b_next, const void* beta, void* c, int c_type, int c_stride,
    long long c_next, int batch, int compute, int) {
  return gemm(h, "cublasGemmStridedBatchedEx",
              {transpose_a, transpose_b, m, n, k, a_stride, b_stride, c_stride, batch},
              {a_type, b_type, c_type, compute}, {a_next, b_next, c_next}, alpha, a, b, beta, c);
}
ORTHOKIT_EMULATOR_API int cublasGemmEx(Handle* h, int transpose_a, int transpose_b, int m, int n,
                                       int k, const void* alpha, const void* a, int a_type,
                                       int a_stride, const void* b, int b_type, int b_stride,
                                       const void* beta, void* c, int c_type, int c_stride,
                                       int compute, int) {
  return gemm(h, "cublasGemmEx",
              {transpose_a, transpose_b, m, n, k, a_stride, b_stride, c_stride, 1},
              {a_type, b_type, c_type, compute}, {0, 0, 0}, alpha, a, b, beta, c);
}
ORTHOKIT_EMULATOR_API int cublasGemmBatchedEx(Handle* h, int transpose_a, int transpose_b, int m,
                                              int n, int k, const void* alpha, const void* const* a,
                                              int a_type, int a_stride, const void* const* b,
                                              int b_type, int b_stride, const void* beta,
                                              void* const* c, int c_type, int c_stride, int batch,
                                              int compute, int) {
  const Shape s{transpose_a, transpose_b, m, n, k, a_stride, b_stride, c_stride, batch};
  const Types t{a_type, b_type, c_type, compute};
  if (const int wrong = check(h, s, t)) return wrong;
  const Scalar by(h, alpha, scalar_type(compute)), keep(h, beta, scalar_type(compute));
  return queue(h, "cublasGemmBatchedEx", [=] {
    // The arrays of pointers live on the device themselves.
    const size_t bytes = sizeof(void*) * size_t(s.batch);
    for (const void* pointers :
         {static_cast<const void*>(a), static_cast<const void*>(b), static_cast<const void*>(c)})
      if (!cudaemu_check_read(pointers, bytes, "array of pointers of a product")) return;
    for (int i = 0; i < s.batch; ++i)
      multiply(product(s, t, a[i], b[i], c[i], by.value(), keep.value()));
  });
}

#define ORTHOKIT_EMULATOR_GEMM(letter, T, type, compute)                                           \
  ORTHOKIT_EMULATOR_API int cublas##letter##gemm_v2(                                               \
      Handle* h, int ta, int tb, int m, int n, int k, const T* alpha, const T* a, int lda,         \
      const T* b, int ldb, const T* beta, T* c, int ldc) {                                         \
    return gemm(h, "cublas" #letter "gemm", {ta, tb, m, n, k, lda, ldb, ldc, 1},                   \
                {type, type, type, compute}, {0, 0, 0}, alpha, a, b, beta, c);                     \
  }                                                                                                \
  ORTHOKIT_EMULATOR_API int cublas##letter##gemmStridedBatched(                                    \
      Handle* h, int ta, int tb, int m, int n, int k, const T* alpha, const T* a, int lda,         \
      long long a_next, const T* b, int ldb, long long b_next, const T* beta, T* c, int ldc,       \
      long long c_next, int batch) {                                                               \
    return gemm(h, "cublas" #letter "gemmStridedBatched", {ta, tb, m, n, k, lda, ldb, ldc, batch}, \
                {type, type, type, compute}, {a_next, b_next, c_next}, alpha, a, b, beta, c);      \
  }
ORTHOKIT_EMULATOR_GEMM(S, float, kF32, kCompute32)
ORTHOKIT_EMULATOR_GEMM(D, double, kF64, kCompute64)

namespace {

template <class T>
struct Blas;
template <>
struct Blas<float> {
  static constexpr int kType = kF32;
  static constexpr auto syrk = cblas_ssyrk;
  static constexpr auto symm = cblas_ssymm;
  static constexpr auto trsm = cblas_strsm;
};
template <>
struct Blas<double> {
  static constexpr int kType = kF64;
  static constexpr auto syrk = cblas_dsyrk;
  static constexpr auto symm = cblas_dsymm;
  static constexpr auto trsm = cblas_dtrsm;
};

CBLAS_UPLO triangle(int uplo) { return uplo == 0 ? CblasLower : CblasUpper; }
CBLAS_SIDE side_of(int side) { return side ? CblasRight : CblasLeft; }
CBLAS_TRANSPOSE transposed(int transpose) { return transpose ? CblasTrans : CblasNoTrans; }

// One triangle of a square matrix, column by column.
template <class T, class Check>
bool each_column_of_triangle(int uplo, int n, T* data, int stride, Check check) {
  for (int j = 0; j < n; ++j) {
    const int first = uplo == 0 ? j : 0, last = uplo == 0 ? n : j + 1;
    if (!check(data + size_t(j) * size_t(stride) + first, size_t(last - first) * sizeof(T)))
      return false;
  }
  return true;
}
template <class T>
bool triangle_readable(int uplo, int n, const T* data, int stride, const char* what) {
  return each_column_of_triangle(uplo, n, data, stride, [what](const T* p, size_t bytes) {
    return cudaemu_check_read(p, bytes, what) != 0;
  });
}
template <class T>
bool triangle_writable(int uplo, int n, T* data, int stride, const char* what) {
  return each_column_of_triangle(uplo, n, data, stride, [what](T* p, size_t bytes) {
    return cudaemu_check_write(p, bytes, what) != 0;
  });
}

template <class T>
int syrk(Handle* h, const char* name, int uplo, int transpose, int n, int k, const T* alpha,
         const T* a, int a_stride, const T* beta, T* c, int c_stride) {
  constexpr int kType = Blas<T>::kType;
  if (!is_live(h)) return kNotInitialized;
  if (n < 0 || k < 0 || a_stride < std::max(1, transpose ? k : n) || c_stride < std::max(1, n))
    return kInvalidValue;
  const Scalar by(h, alpha, kType), keep(h, beta, kType);
  return queue(h, name, [=] {
    if (!readable({a, kType, a_stride}, transpose ? k : n, transpose ? n : k, "operand of syrk"))
      return;
    if (keep.value() != 0 && !triangle_readable<T>(uplo, n, c, c_stride, "result of syrk")) return;
    if (!triangle_writable(uplo, n, c, c_stride, "result of syrk")) return;
    Blas<T>::syrk(CblasColMajor, triangle(uplo), transposed(transpose), n, k, T(by.value()), a,
                  a_stride, T(keep.value()), c, c_stride);
  });
}

template <class T>
int symm(Handle* h, const char* name, int side, int uplo, int m, int n, const T* alpha, const T* a,
         int a_stride, const T* b, int b_stride, const T* beta, T* c, int c_stride) {
  constexpr int kType = Blas<T>::kType;
  if (!is_live(h)) return kNotInitialized;
  if (m < 0 || n < 0 || a_stride < std::max(1, side ? n : m) || b_stride < std::max(1, m) ||
      c_stride < std::max(1, m))
    return kInvalidValue;
  const Scalar by(h, alpha, kType), keep(h, beta, kType);
  return queue(h, name, [=] {
    if (!triangle_readable(uplo, side ? n : m, a, a_stride, "operand A of symm") ||
        !readable({b, kType, b_stride}, m, n, "operand B of symm"))
      return;
    if (keep.value() != 0 && !readable({c, kType, c_stride}, m, n, "operand C of symm")) return;
    if (!writable(c, kType, c_stride, m, n, "result of symm")) return;
    Blas<T>::symm(CblasColMajor, side_of(side), triangle(uplo), m, n, T(by.value()), a, a_stride, b,
                  b_stride, T(keep.value()), c, c_stride);
  });
}

template <class T>
int trsm(Handle* h, const char* name, int side, int uplo, int transpose, int diagonal, int m, int n,
         const T* alpha, const T* a, int a_stride, T* b, int b_stride) {
  constexpr int kType = Blas<T>::kType;
  if (!is_live(h)) return kNotInitialized;
  if (m < 0 || n < 0 || a_stride < std::max(1, side ? n : m) || b_stride < std::max(1, m))
    return kInvalidValue;
  const Scalar by(h, alpha, kType);
  return queue(h, name, [=] {
    if (!triangle_readable(uplo, side ? n : m, a, a_stride, "operand A of trsm") ||
        !readable({b, kType, b_stride}, m, n, "operand B of trsm") ||
        !writable(b, kType, b_stride, m, n, "result of trsm"))
      return;
    Blas<T>::trsm(CblasColMajor, side_of(side), triangle(uplo), transposed(transpose),
                  diagonal ? CblasUnit : CblasNonUnit, m, n, T(by.value()), a, a_stride, b,
                  b_stride);
  });
}

template <class T>
int geam(Handle* h, const char* name, int ta, int tb, int m, int n, const T* alpha, const T* a,
         int a_stride, const T* beta, const T* b, int b_stride, T* c, int c_stride) {
  constexpr int kType = Blas<T>::kType;
  if (!is_live(h)) return kNotInitialized;
  if (m < 0 || n < 0 || a_stride < std::max(1, ta ? n : m) || b_stride < std::max(1, tb ? n : m) ||
      c_stride < std::max(1, m))
    return kInvalidValue;
  const Scalar of_a(h, alpha, kType), of_b(h, beta, kType);
  return queue(h, name, [=] {
    const T x = T(of_a.value()), y = T(of_b.value());
    if (x != 0 && !readable({a, kType, a_stride}, ta ? n : m, ta ? m : n, "operand A of geam"))
      return;
    if (y != 0 && !readable({b, kType, b_stride}, tb ? n : m, tb ? m : n, "operand B of geam"))
      return;
    if (!writable(c, kType, c_stride, m, n, "result of geam")) return;
    const auto at = [](const T* p, int transpose, int stride, int i, int j) {
      return transpose ? p[size_t(i) * size_t(stride) + size_t(j)]
                       : p[size_t(j) * size_t(stride) + size_t(i)];
    };
    std::vector<T> sums;  // c may be a or b
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < m; ++i)
        sums.push_back((x != 0 ? x * at(a, ta, a_stride, i, j) : T(0)) +
                       (y != 0 ? y * at(b, tb, b_stride, i, j) : T(0)));
    for (int j = 0; j < n; ++j)
      std::copy_n(sums.begin() + ptrdiff_t(j) * m, m, c + size_t(j) * size_t(c_stride));
  });
}

}  // namespace

#define ORTHOKIT_EMULATOR_BLAS(letter, T)                                                          \
  ORTHOKIT_EMULATOR_API int cublas##letter##syrk_v2(Handle* h, int uplo, int transpose, int n,     \
                                                    int k, const T* alpha, const T* a, int lda,    \
                                                    const T* beta, T* c, int ldc) {                \
    return syrk(h, "cublas" #letter "syrk", uplo, transpose, n, k, alpha, a, lda, beta, c, ldc);   \
  }                                                                                                \
  ORTHOKIT_EMULATOR_API int cublas##letter##symm_v2(                                               \
      Handle* h, int side, int uplo, int m, int n, const T* alpha, const T* a, int lda,            \
      const T* b, int ldb, const T* beta, T* c, int ldc) {                                         \
    return symm(h, "cublas" #letter "symm", side, uplo, m, n, alpha, a, lda, b, ldb, beta, c,      \
                ldc);                                                                              \
  }                                                                                                \
  ORTHOKIT_EMULATOR_API int cublas##letter##trsm_v2(Handle* h, int side, int uplo, int transpose,  \
                                                    int diagonal, int m, int n, const T* alpha,    \
                                                    const T* a, int lda, T* b, int ldb) {          \
    return trsm(h, "cublas" #letter "trsm", side, uplo, transpose, diagonal, m, n, alpha, a, lda,  \
                b, ldb);                                                                           \
  }                                                                                                \
  ORTHOKIT_EMULATOR_API int cublas##letter##geam(                                                  \
      Handle* h, int ta, int tb, int m, int n, const T* alpha, const T* a, int lda, const T* beta, \
      const T* b, int ldb, T* c, int ldc) {                                                        \
    return geam(h, "cublas" #letter "geam", ta, tb, m, n, alpha, a, lda, beta, b, ldb, c, ldc);    \
  }
ORTHOKIT_EMULATOR_BLAS(S, float)
ORTHOKIT_EMULATOR_BLAS(D, double)
