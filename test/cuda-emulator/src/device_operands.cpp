#include "device_operands.h"

#include "api.h"
#include "device_memory.h"
#include "shadow.h"

using namespace cudaemu;

cudaError_t cudaemu_enqueue(cudaStream_t stream, void (*run)(void*), void (*drop)(void*),
                            void* argument, const char* name) {
  const std::shared_ptr<void> owned(argument, drop);
  ORTHOKIT_EMULATOR_ENTER(name);
  if (!is_stream(stream)) return answer(cudaErrorInvalidResourceHandle);
  return push(stream, {OperationKind::kWork, [run, owned] { run(owned.get()); }});
}

cudaError_t cudaemu_enqueue_held(cudaStream_t stream, void (*begin)(void*), void (*drop)(void*),
                                 void* argument, const char* name) {
  const std::shared_ptr<void> owned(argument, drop);
  ORTHOKIT_EMULATOR_ENTER(name);
  if (!stream || !is_stream(stream)) return answer(cudaErrorInvalidResourceHandle);
  return push(stream, {OperationKind::kHeld, [begin, owned] { begin(owned.get()); }});
}

void cudaemu_end(cudaStream_t stream, void (*end)(void*), void* argument) {
  const Lock lock;
  {
    const DeviceAccess access;
    end(argument);
  }
  go_on(stream);
}

cudaError_t cudaemu_enter(const char* name) { return enter(name); }

int cudaemu_is_capturing(cudaStream_t stream) {
  const Lock lock;
  return is_stream(stream) && stream_of(stream)->capture != nullptr;
}

int cudaemu_is_device_range(const void* p, size_t bytes) {
  const Lock lock;
  return is_device_range(p, bytes);
}

int cudaemu_device_of(const void* p, size_t bytes) {
  const Lock lock;
  return is_device_range(p, bytes) ? device_of(p) : -1;
}

int cudaemu_check_read(const void* p, size_t bytes, const char* what) {
  const Lock lock;
  if (is_device_range(p, bytes)) return !checking() || shadow_check_read(p, bytes, what);
  finding(cudaErrorIllegalAddress, "%s: %zu bytes are read outside any allocation", what, bytes);
  return 0;
}

int cudaemu_check_write(const void* p, size_t bytes, const char* what) {
  const Lock lock;
  if (!is_device_range(p, bytes)) {
    finding(cudaErrorIllegalAddress, "%s: %zu bytes are written outside any allocation", what,
            bytes);
    return 0;
  }
  if (checking()) shadow_write(p, bytes);
  return 1;
}
