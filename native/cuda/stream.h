// The stream that a CUDA kernel runs on: of one device, with scratch memory in its order, tables,
// cuBLAS.
#pragma once
#include <memory>

#include "cuda/blas.h"
#include "cuda/graphs.h"
#include "cuda/tables.h"

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

  // Memory of the device until the kernel function returns; what it queued may still use it,
  // because whoever gets the bytes next comes later in the stream.
  template <class T>
  T* scratch(int64_t count) {
    return static_cast<T*>(scratch_bytes(size_t(count) * sizeof(T)));
  }
  // The items on the device until the kernel function returns, to be read only; here they may go
  // when this returns. What is the same in the next step (shapes, addresses) costs nothing then:
  // what changes (rates, offsets) belongs into a kernel's parameters.
  template <class T>
  const T* table(const T* items, int64_t count) {
    static_assert(std::has_unique_object_representations_v<T> || std::is_floating_point_v<T>,
                  "tables are compared byte by byte");
    return static_cast<const T*>(table_bytes(items, size_t(count) * sizeof(T)));
  }
  const void* table_bytes(const void* bytes, size_t count) {
    return tables_.find({static_cast<const char*>(bytes), count});
  }

  // A number of the device, on the host: waits for the stream. Only for an op whose purpose is to
  // refuse by what it finds.
  template <class T>
  T fetch(const T* number) {
    T copy;
    graphs_->flush();
    staging_.download(&copy, number, sizeof copy);
    return copy;
  }

  cudaStream_t handle() const { return stream_; }
  int units() const { return units_; }  // multiprocessors
  int capability() const { return capability_; }
  Graphs& graphs() { return *graphs_; }
  // cuBLAS on this stream; null where there is none, and own kernels multiply.
  const Blas* blas();
  // The graph of what `work` queues by cuBLAS; the caller destroys it.
  cudaError_t capture(const std::function<void(const Blas&)>& work, cudaGraph_t* graph);

  void* allocate(size_t bytes);       // any thread
  void release(void* data) noexcept;  // any thread; work in the stream may still use it
  void copy(void* to, const void* from, size_t bytes, Transfer);
  // Memory that other processes open by its name: sharing.cpp.
  void* allocate_shared(size_t bytes, SharedName&);  // any thread
  void* attach(const SharedName&);                   // any thread
  void release_shared(void* data) noexcept;
  void detach(void* data) noexcept;
  void synchronize();

  // Of the device's time: two moments in the stream's order, and the seconds between them, for
  // which it waits.
  void mark(bool end);
  double seconds_between_marks();

 private:
  void* scratch_bytes(size_t bytes);
  cudaError_t try_allocate(void** data, size_t bytes);
  [[noreturn]] static void refuse_memory(size_t bytes);
  void finish() noexcept;  // all that was queued
  const int device_;
  Services services_;
  cudaStream_t stream_;
  cudaEvent_t reached_ = nullptr;
  cudaEvent_t marks_[2] = {};
  cudaMemPool_t pool_ = nullptr;  // null: memory does not come and go in stream order
  Staging staging_;
  Tables tables_{*this, staging_};
  std::unique_ptr<Graphs> graphs_ = std::make_unique<Graphs>(stream_);
  int units_ = 0, capability_ = 0;
  std::unique_ptr<Blas> blas_;
  void* blas_workspace_ = nullptr;
  // A stream of its own, which only captures, and its cuBLAS.
  cudaStream_t capturing_ = nullptr;
  std::unique_ptr<Blas> captured_blas_;
};

}  // namespace orthokit::cuda
