// What a CUDA kernel runs on: a stream of one device, scratch memory in its order, uploads, cuBLAS.
#pragma once
#include <memory>

#include "cuda/blas.h"
#include "cuda/staging.h"

namespace orthokit::cuda {

// 90 for sm_90. The release list of architectures begins at 75.
int capability_of(int device);
inline constexpr int kLeastCapability = 75;
[[noreturn]] void refuse_capability(int capability);

class Stream {
 public:
  Stream(int device, Services services);
  ~Stream();
  Stream(const Stream&) = delete;

  // Memory of the device until the kernel function returns; what it queued may still use it, because
  // whoever gets the bytes next comes later in the stream.
  template <class T>
  T* scratch(int64_t count) {
    return static_cast<T*>(scratch_bytes(size_t(count) * sizeof(T)));
  }
  // A copy on the device, as scratch memory; `items` may go when this returns.
  template <class T>
  T* upload(const T* items, int64_t count) {
    T* copy = scratch<T>(count);
    staging_.upload(copy, items, size_t(count) * sizeof(T));
    return copy;
  }

  // A number of the device, on the host: waits for the stream. Only for an op whose purpose is to
  // refuse by what it finds.
  template <class T>
  T fetch(const T* number) {
    T copy;
    staging_.download(&copy, number, sizeof copy);
    return copy;
  }

  cudaStream_t handle() const { return stream_; }
  int units() const { return units_; }  // multiprocessors
  int capability() const { return capability_; }
  // cuBLAS on this stream; null where there is none, and own kernels multiply.
  const Blas* blas();

  void* allocate(size_t bytes);       // any thread
  void release(void* data) noexcept;  // any thread; work in the stream may still use it
  void copy(void* to, const void* from, size_t bytes, Transfer);
  void synchronize();

 private:
  void* scratch_bytes(size_t bytes);
  cudaError_t try_allocate(void** data, size_t bytes);
  const int device_;
  Services services_;
  cudaStream_t stream_;
  cudaEvent_t reached_ = nullptr;
  cudaMemPool_t pool_ = nullptr;  // null: memory does not come and go in stream order
  Staging staging_;
  int units_ = 0, capability_ = 0;
  std::unique_ptr<Blas> blas_;
  void* blas_workspace_ = nullptr;
};

}  // namespace orthokit::cuda
