// Devices: how many, what they are, which one a thread uses.
#include <cstdio>

#include "api.h"
#include "device_memory.h"
#include "options.h"

using namespace cudaemu;

namespace {

thread_local int device_of_thread = 0;

bool is_device(int device) { return device >= 0 && device < options().devices; }

}  // namespace

int cudaemu::current_device() { return device_of_thread; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  ORTHOKIT_EMULATOR_ENTER("cudaGetDeviceCount");
  *count = options().devices;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  ORTHOKIT_EMULATOR_ENTER("cudaSetDevice");
  if (!is_device(device)) return answer(cudaErrorInvalidDevice);
  device_of_thread = device;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  ORTHOKIT_EMULATOR_ENTER("cudaGetDevice");
  *device = device_of_thread;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  ORTHOKIT_EMULATOR_ENTER("cudaGetDeviceProperties");
  if (!is_device(device)) return answer(cudaErrorInvalidDevice);
  cudaDeviceProp& p = *properties;
  p = {};
  std::snprintf(p.name, sizeof p.name, "orthokit CUDA emulator");
  std::snprintf(p.uuid.bytes, sizeof p.uuid.bytes, "cudaemu");
  p.uuid.bytes[sizeof p.uuid.bytes - 1] = char(device);
  p.totalGlobalMem = options().memory;
  p.sharedMemPerBlock = kSharedWithoutAsking;
  p.sharedMemPerBlockOptin = most_shared();
  p.sharedMemPerMultiprocessor = most_shared() + (1 << 10);
  p.major = options().capability / 10;
  p.minor = options().capability % 10;
  p.multiProcessorCount = options().multiprocessors;
  p.warpSize = 32;
  p.maxThreadsPerBlock = 1024;
  p.maxThreadsPerMultiProcessor = 2048;
  p.regsPerMultiprocessor = 65536;
  p.l2CacheSize = 50 << 20;
  p.cooperativeLaunch = 1;
  p.concurrentKernels = 1;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  ORTHOKIT_EMULATOR_ENTER("cudaDeviceGetAttribute");
  if (!is_device(device)) return answer(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = 1024;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = kSharedWithoutAsking;
      break;
    case cudaDevAttrWarpSize:
      *value = 32;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = options().multiprocessors;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = 2048;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = options().capability / 10;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = options().capability % 10;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = int(most_shared());
      break;
    case cudaDevAttrCooperativeLaunch:
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      break;
    default:
      return answer(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}
// The two versions are answered without a device, as CUDA does.
cudaError_t cudaDriverGetVersion(int* version) {
  *version = options().driver;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  ORTHOKIT_EMULATOR_ENTER("cudaDeviceSynchronize");
  ORTHOKIT_EMULATOR_REFUSE_IN_CAPTURE("cudaDeviceSynchronize");
  drain_all();
  return after_waiting();
}
cudaError_t cudaDeviceReset() {
  const Lock lock;
  drop_all();
  release_all();
  unstick();
  return cudaSuccess;
}
