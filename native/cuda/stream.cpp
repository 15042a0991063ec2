#include "cuda/stream.h"

namespace orthokit::cuda {
namespace {

cudaStream_t make_stream(int device) {
  check(cudaSetDevice(device), "cudaSetDevice");
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream;
}

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
  return value;
}

// The device's default pool. As CUDA sets it, free memory goes back to the driver whenever somebody
// waits, and is asked for again by the next step.
cudaMemPool_t keeping_pool(int device) {
  cudaMemPool_t pool = nullptr;
  check(cudaDeviceGetDefaultMemPool(&pool, device), "cudaDeviceGetDefaultMemPool");
  uint64_t kept = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &kept),
        "cudaMemPoolSetAttribute");
  return pool;
}

// The size that cuBLAS' manual recommends.
size_t workspace_bytes(int capability) {
  constexpr size_t kMegabyte = size_t(1) << 20;
  if (capability >= 120) return 12 * kMegabyte;
  return (capability >= 90 ? 32 : 4) * kMegabyte;
}

}  // namespace

int capability_of(int device) {
  return 10 * attribute(cudaDevAttrComputeCapabilityMajor, device) +
         attribute(cudaDevAttrComputeCapabilityMinor, device);
}

void refuse_capability(int capability) {
  throw Error(ErrorCode::kBackend, "the device has compute capability " +
                                       std::to_string(capability / 10) + "." +
                                       std::to_string(capability % 10) + ", and 7.5 is needed");
}

Stream::Stream(int device, Services services)
    : device_(device), services_(services), stream_(make_stream(device)), staging_(stream_) {
  try {
    units_ = attribute(cudaDevAttrMultiProcessorCount, device);
    capability_ = capability_of(device);
    if (capability_ < kLeastCapability) refuse_capability(capability_);
    if (attribute(cudaDevAttrMemoryPoolsSupported, device)) pool_ = keeping_pool(device);
    // Whoever waits for it sleeps: other work needs the core.
    check(cudaEventCreateWithFlags(&reached_, cudaEventDisableTiming | cudaEventBlockingSync),
          "cudaEventCreate");
  } catch (...) {
    cudaStreamDestroy(stream_);
    throw;
  }
}

Stream::~Stream() {
  cudaSetDevice(device_);
  cudaStreamSynchronize(stream_);
  captured_blas_.reset();
  if (capturing_) cudaStreamDestroy(capturing_);
  blas_.reset();
  if (blas_workspace_) release(blas_workspace_);
  tables_.free();
  graphs_.reset();
  cudaStreamSynchronize(stream_);
  cudaEventDestroy(reached_);
  for (cudaEvent_t mark : marks_)
    if (mark) cudaEventDestroy(mark);
  cudaStreamDestroy(stream_);
  // The device's memory goes back to others.
  if (pool_) cudaMemPoolTrimTo(pool_, 0);
}

void* Stream::scratch_bytes(size_t bytes) {
  Failure failure;
  if (void* data = services_.scratch(services_.self, bytes, &failure)) return data;
  throw Error(failure);
}

const Blas* Stream::blas() {
  const BlasLibrary& library = blas_library();
  if (!library.loaded()) return nullptr;
  const size_t bytes = workspace_bytes(capability_);
  if (!blas_workspace_) blas_workspace_ = allocate(bytes);
  if (!blas_) blas_ = std::make_unique<Blas>(library, stream_, blas_workspace_, bytes);
  return blas_.get();
}

// By a handle of its own: one that is given another stream loses its workspace. Other threads may
// ask for memory meanwhile.
cudaError_t Stream::capture(const std::function<void(const Blas&)>& work, cudaGraph_t* graph) {
  cudaError_t status = cudaSuccess;
  if (!capturing_) status = cudaStreamCreateWithFlags(&capturing_, cudaStreamNonBlocking);
  if (status != cudaSuccess) return status;
  const auto refused = [](const auto& queue) {
    return caught(queue, [](ErrorCode, const char*, int32_t) {});
  };
  if (!captured_blas_ && refused([&] {
        captured_blas_ = std::make_unique<Blas>(blas_library(), capturing_, blas_workspace_,
                                                workspace_bytes(capability_));
      }))
    return cudaErrorNotSupported;
  status = cudaStreamBeginCapture(capturing_, cudaStreamCaptureModeThreadLocal);
  if (status != cudaSuccess) return status;
  const bool failed = refused([&] { work(*captured_blas_); });
  status = cudaStreamEndCapture(capturing_, graph);
  if (failed && status == cudaSuccess) {
    cudaGraphDestroy(*graph);
    status = cudaErrorStreamCaptureUnsupported;
  }
  return status;
}

cudaError_t Stream::try_allocate(void** data, size_t bytes) {
  const cudaError_t status =
      pool_ ? cudaMallocAsync(data, bytes, stream_) : cudaMalloc(data, bytes);
  if (status == cudaErrorMemoryAllocation) cudaGetLastError();
  return status;
}

void Stream::refuse_memory(size_t bytes) {
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  throw Error(ErrorCode::kMemory,
              "the device has no memory for " + std::to_string(bytes) +
                  " bytes: " + std::to_string(free) + " of " + std::to_string(total) + " are free",
              int32_t(cudaErrorMemoryAllocation));
}

void* Stream::allocate(size_t bytes) {
  check(cudaSetDevice(device_), "cudaSetDevice");
  void* data = nullptr;
  cudaError_t status = try_allocate(&data, bytes);
  if (status == cudaErrorMemoryAllocation) {
    // Memory that was released behind queued work comes back when that work is done.
    synchronize();
    status = try_allocate(&data, bytes);
  }
  if (status == cudaErrorMemoryAllocation) refuse_memory(bytes);
  check(status, pool_ ? "cudaMallocAsync" : "cudaMalloc");
  return data;
}

void Stream::release(void* data) noexcept {
  cudaSetDevice(device_);
  if (pool_)
    cudaFreeAsync(data, stream_);
  else
    cudaFree(data);
}

void Stream::copy(void* to, const void* from, size_t bytes, Transfer direction) {
  if (direction == Transfer::kToDevice)
    staging_.upload(to, from, bytes);
  else if (direction == Transfer::kToHost)
    staging_.download(to, from, bytes);
  else
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "cudaMemcpyAsync");
}

void Stream::synchronize() {
  check(cudaSetDevice(device_), "cudaSetDevice");
  check(cudaEventRecord(reached_, stream_), "cudaEventRecord");
  check(cudaEventSynchronize(reached_), "cudaEventSynchronize");
}

void Stream::mark(bool end) {
  cudaEvent_t& mark = marks_[end];
  if (!mark) check(cudaEventCreateWithFlags(&mark, cudaEventBlockingSync), "cudaEventCreate");
  check(cudaEventRecord(mark, stream_), "cudaEventRecord");
}

double Stream::seconds_between_marks() {
  check(cudaEventSynchronize(marks_[1]), "cudaEventSynchronize");
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, marks_[0], marks_[1]), "cudaEventElapsedTime");
  return double(milliseconds) * 1e-3;
}

}  // namespace orthokit::cuda
