// Memory of devices and pinned memory of the host, copies between them.
#include <cstdlib>
#include <cstring>

#include "api.h"
#include "device_memory.h"
#include "options.h"
#include "shadow.h"

// The default pool of a device. Emulated pools hold nothing back, so a threshold changes nothing
// that a program could see but itself.
struct cudaemu::Pool {
  int device = 0;
  uint64_t release_threshold = 0;
  uint64_t most_used = 0;
};

using namespace cudaemu;

namespace {

Pool& pool_of(int device) {
  static Pool* pools = new Pool[kMostDevices];
  pools[device].device = device;
  return pools[device];
}

cudaError_t allocate_into(void** p, size_t bytes, Origin origin) {
  *p = nullptr;
  if (bytes == 0) return cudaSuccess;
  const int device = current_device();
  *p = allocate(device, bytes, origin);
  if (!*p && !capturing()) {
    // Memory that queued work still has to return counts as there, as in CUDA's pools.
    drain_all();
    if (sticky() == cudaSuccess) *p = allocate(device, bytes, origin);
  }
  if (!*p) return answer(sticky() != cudaSuccess ? sticky() : cudaErrorMemoryAllocation);
  Pool& pool = pool_of(device);
  pool.most_used = std::max<uint64_t>(pool.most_used, used_bytes(device));
  return cudaSuccess;
}

enum class Where { kHost, kPinned, kDevice };
Where where(const void* p, size_t bytes) {
  if (is_device_address(p)) return Where::kDevice;
  return is_pinned(p, bytes) ? Where::kPinned : Where::kHost;
}

struct Rows {  // of a copy: count rows of `bytes` each
  void* to;
  size_t to_pitch;
  const void* from;
  size_t from_pitch, bytes, count;
};

bool fits(cudaMemcpyKind kind, bool from_device, bool to_device) {
  switch (kind) {
    case cudaMemcpyHostToHost:
      return !from_device && !to_device;
    case cudaMemcpyHostToDevice:
      return !from_device && to_device;
    case cudaMemcpyDeviceToHost:
      return from_device && !to_device;
    case cudaMemcpyDeviceToDevice:
      return from_device && to_device;
    case cudaMemcpyDefault:
      return true;
  }
  return false;
}

cudaError_t copy(const Rows& rows, cudaMemcpyKind kind, cudaStream_t stream, bool wait) {
  if (rows.bytes == 0 || rows.count == 0) return cudaSuccess;
  const size_t to_bytes = rows.to_pitch * (rows.count - 1) + rows.bytes,
               from_bytes = rows.from_pitch * (rows.count - 1) + rows.bytes;
  const Where to = where(rows.to, to_bytes), from = where(rows.from, from_bytes);
  const bool to_device = to == Where::kDevice, from_device = from == Where::kDevice;
  if (!fits(kind, from_device, to_device)) {
    finding(cudaErrorInvalidMemcpyDirection, "copy kind %d does not fit its pointers", int(kind));
    return answer(cudaErrorInvalidValue);
  }
  if (to_device && !is_device_range(rows.to, to_bytes)) {
    finding(cudaErrorInvalidValue, "copy of %zu bytes leaves its destination", to_bytes);
    return answer(cudaErrorInvalidValue);
  }
  if (from_device && !is_device_range(rows.from, from_bytes)) {
    finding(cudaErrorInvalidValue, "copy of %zu bytes leaves its source", from_bytes);
    return answer(cudaErrorInvalidValue);
  }
  if (stream_of(stream)->capture && (from == Where::kHost || to == Where::kHost)) {
    finding(cudaErrorStreamCaptureUnsupported, "copy of pageable memory in a captured graph");
    return answer(cudaErrorStreamCaptureUnsupported);
  }
  // CUDA has read pageable memory before the call returns.
  std::shared_ptr<char[]> staged;
  if (from == Where::kHost && !wait) {
    staged.reset(new char[from_bytes]);
    std::memcpy(staged.get(), rows.from, from_bytes);
  }
  const cudaError_t refused = push(
      stream, {OperationKind::kWork, [=] {
                 const char* source = staged ? staged.get() : static_cast<const char*>(rows.from);
                 char* target = static_cast<char*>(rows.to);
                 for (size_t row = 0; row < rows.count; ++row) {
                   if (from_device && checking())
                     shadow_check_read(source, rows.bytes,
                                       to_device ? "copy on the device" : "copy to the host");
                   std::memmove(target, source, rows.bytes);
                   if (to_device && checking()) shadow_write(target, rows.bytes);
                   source += rows.from_pitch;
                   target += rows.to_pitch;
                 }
               }});
  if (refused != cudaSuccess) return refused;
  if (!wait && to != Where::kHost) return cudaSuccess;
  drain(stream_of(stream));
  return after_waiting();
}

cudaError_t fill(void* p, int value, size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  if (!is_device_range(p, bytes)) {
    finding(cudaErrorInvalidValue, "memset of %zu bytes leaves its allocation", bytes);
    return answer(cudaErrorInvalidValue);
  }
  return push(stream, {OperationKind::kWork, [=] {
                         std::memset(p, value, bytes);
                         if (checking()) shadow_write(p, bytes);
                       }});
}

}  // namespace

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  ORTHOKIT_EMULATOR_ENTER("cudaMemGetInfo");
  *total = options().memory;
  *free = *total - used_bytes(current_device());
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** p, size_t bytes) {
  *p = nullptr;
  ORTHOKIT_EMULATOR_ENTER("cudaMalloc");
  ORTHOKIT_EMULATOR_REFUSE_IN_CAPTURE("cudaMalloc");
  return allocate_into(p, bytes, Origin::kMalloc);
}
cudaError_t cudaFree(void* p) {
  if (!p) return cudaSuccess;
  const Lock lock;
  const cudaError_t entered = enter("cudaFree");
  ORTHOKIT_EMULATOR_REFUSE_IN_CAPTURE("cudaFree");
  drain_all();
  return leave(entered, release(p));
}
cudaError_t cudaMallocAsync(void** p, size_t bytes, cudaStream_t stream) {
  *p = nullptr;
  ORTHOKIT_EMULATOR_ENTER("cudaMallocAsync");
  if (!is_stream(stream)) return answer(cudaErrorInvalidResourceHandle);
  if (stream_of(stream)->capture) {
    finding(cudaErrorNotSupported, "stream-ordered allocation in a captured graph");
    return answer(cudaErrorNotSupported);
  }
  return allocate_into(p, bytes, Origin::kPool);
}
cudaError_t cudaFreeAsync(void* p, cudaStream_t stream) {
  if (!p) return cudaSuccess;
  const Lock lock;
  const cudaError_t entered = enter("cudaFreeAsync");
  if (!is_stream(stream)) return leave(entered, cudaErrorInvalidResourceHandle);
  if (stream_of(stream)->capture) {
    finding(cudaErrorNotSupported, "memory that is no graph's is freed in a captured graph");
    return leave(entered, cudaErrorNotSupported);
  }
  return leave(entered, push(stream, {OperationKind::kRelease, [p] { release(p); }}));
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device) {
  ORTHOKIT_EMULATOR_ENTER("cudaDeviceGetDefaultMemPool");
  if (device < 0 || device >= options().devices) return answer(cudaErrorInvalidDevice);
  *pool = &pool_of(device);
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  ORTHOKIT_EMULATOR_ENTER("cudaMemPoolSetAttribute");
  if (attribute == cudaMemPoolAttrReleaseThreshold)
    pool->release_threshold = *static_cast<const uint64_t*>(value);
  else if (attribute == cudaMemPoolAttrUsedMemHigh || attribute == cudaMemPoolAttrReservedMemHigh)
    pool->most_used = used_bytes(pool->device);
  else
    return answer(cudaErrorInvalidValue);
  return cudaSuccess;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value) {
  ORTHOKIT_EMULATOR_ENTER("cudaMemPoolGetAttribute");
  uint64_t& out = *static_cast<uint64_t*>(value);
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold:
      out = pool->release_threshold;
      break;
    case cudaMemPoolAttrReservedMemCurrent:
    case cudaMemPoolAttrUsedMemCurrent:
      out = used_bytes(pool->device);
      break;
    case cudaMemPoolAttrReservedMemHigh:
    case cudaMemPoolAttrUsedMemHigh:
      out = pool->most_used;
      break;
    default:
      return answer(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) {
  ORTHOKIT_EMULATOR_ENTER("cudaMemPoolTrimTo");
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** p, size_t bytes, unsigned) {
  *p = nullptr;
  ORTHOKIT_EMULATOR_ENTER("cudaHostAlloc");
  void* memory = std::aligned_alloc(4096, (bytes / 4096 + 1) * 4096);
  if (!memory) return answer(cudaErrorMemoryAllocation);
  std::memset(memory, 0xff, bytes);
  add_pinned(memory, bytes);
  *p = memory;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* p) {
  if (!p) return cudaSuccess;
  const Lock lock;
  const cudaError_t entered = enter("cudaFreeHost");
  drain_all();
  if (!remove_pinned(p)) {
    finding(cudaErrorInvalidValue, "free of %p, which is not pinned memory", p);
    return leave(entered, cudaErrorInvalidValue);
  }
  std::free(p);
  return leave(entered, cudaSuccess);
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  ORTHOKIT_EMULATOR_ENTER("cudaMemcpy");
  ORTHOKIT_EMULATOR_REFUSE_IN_CAPTURE("cudaMemcpy");
  return copy({to, bytes, from, bytes, bytes, 1}, kind, nullptr, true);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  ORTHOKIT_EMULATOR_ENTER("cudaMemcpyAsync");
  if (!is_stream(stream)) return answer(cudaErrorInvalidResourceHandle);
  return copy({to, bytes, from, bytes, bytes, 1}, kind, stream, false);
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                              size_t bytes, size_t rows, cudaMemcpyKind kind, cudaStream_t stream) {
  ORTHOKIT_EMULATOR_ENTER("cudaMemcpy2DAsync");
  if (!is_stream(stream)) return answer(cudaErrorInvalidResourceHandle);
  if (bytes > to_pitch || bytes > from_pitch) return answer(cudaErrorInvalidValue);
  return copy({to, to_pitch, from, from_pitch, bytes, rows}, kind, stream, false);
}
cudaError_t cudaMemset(void* p, int value, size_t bytes) {
  ORTHOKIT_EMULATOR_ENTER("cudaMemset");
  ORTHOKIT_EMULATOR_REFUSE_IN_CAPTURE("cudaMemset");
  return fill(p, value, bytes, nullptr);
}
cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t stream) {
  ORTHOKIT_EMULATOR_ENTER("cudaMemsetAsync");
  if (!is_stream(stream)) return answer(cudaErrorInvalidResourceHandle);
  return fill(p, value, bytes, stream);
}
