// cuBLAS through a table of functions that is filled at run time: the plug-in also works without.
#pragma once
#include <string>

#include "cuda/check.h"

namespace orthokit::cuda {

// Arguments of the functions below, with cuBLAS' numbers.
enum class BlasOp : int { kNone = 0, kTranspose = 1 };
enum class BlasType : int { kF32 = 0, kF64 = 1, kF16 = 2, kBf16 = 14 };
enum class BlasCompute : int { kF32 = 68, kF64 = 70, kTf32 = 77 };

struct BlasTable {
  using Handle = void*;
  using Status = int;
  Status (*create)(Handle*);
  Status (*destroy)(Handle);
  Status (*set_stream)(Handle, cudaStream_t);
  Status (*set_workspace)(Handle, void* data, size_t bytes);
  Status (*get_property)(int which, int* value);
  // Column-major: c = alpha op(a) op(b) + beta c, c m × n.
  Status (*gemm)(Handle, BlasOp a_op, BlasOp b_op, int m, int n, int k, const void* alpha,
                 const void* a, BlasType a_type, int lda, const void* b, BlasType b_type, int ldb,
                 const void* beta, void* c, BlasType c_type, int ldc, BlasCompute, int algorithm);
  Status (*gemm_batched)(Handle, BlasOp a_op, BlasOp b_op, int m, int n, int k, const void* alpha,
                         const void* a, BlasType a_type, int lda, long long a_stride, const void* b,
                         BlasType b_type, int ldb, long long b_stride, const void* beta, void* c,
                         BlasType c_type, int ldc, long long c_stride, int batch, BlasCompute,
                         int algorithm);
};

// The library, looked for once per process: ORTHOKIT_CUBLAS (a file, or none); libcublas.so as the
// loader finds it, of the CUDA that this plug-in was built with, then of the other majors; then in
// lib64 of CUDA_PATH, CUDA_HOME, /usr/local/cuda. One that does not start on this thread's device
// is passed over.
class BlasLibrary {
 public:
  BlasLibrary();
  bool loaded() const { return table_.gemm_batched != nullptr; }
  const BlasTable& table() const { return table_; }
  const std::string& name() const { return name_; }  // with its version, or what multiplies instead

 private:
  // Why not, or an empty string.
  std::string open(const std::string& path);
  BlasTable table_{};
  std::string name_;
};
const BlasLibrary& blas_library();

// A handle on one stream; every call through it is checked.
class Blas {
 public:
  // The workspace is device memory that outlives the handle; without one, cuBLAS allocates its own.
  Blas(const BlasLibrary& library, cudaStream_t stream, void* workspace, size_t bytes);
  ~Blas();
  Blas(const Blas&) = delete;
  const BlasTable& table() const { return table_; }
  BlasTable::Handle handle() const { return handle_; }

 private:
  const BlasTable& table_;
  BlasTable::Handle handle_ = nullptr;
};

// Throws for a status that is no success; with CUDA's words if the device is at fault.
void check_blas(BlasTable::Status status, const char* call);

}  // namespace orthokit::cuda
