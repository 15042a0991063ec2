// The table of functions by which core drives CUDA.
#include <algorithm>
#include <vector>

#include "core/kernel.h"
#include "cuda/stream.h"

namespace orthokit {
namespace cuda {
namespace {

Stream& stream_of(void* handle) { return *static_cast<Stream*>(handle); }

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// A missing driver and one that is too old have the same number.
[[noreturn]] void refuse_driver() {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) throw Error(ErrorCode::kBackend, "there is no NVIDIA driver");
  throw Error(ErrorCode::kBackend, "the NVIDIA driver is too old: it runs CUDA " +
                                       version_text(driver) + ", and this plug-in needs " +
                                       version_text(runtime));
}

int count_devices() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver) refuse_driver();
  if (status == cudaErrorNoDevice) return 0;
  check(status, "cudaGetDeviceCount");
  int newest = 0;
  for (int device = 0; device < count; ++device) newest = std::max(newest, capability_of(device));
  if (count > 0 && newest < kLeastCapability) refuse_capability(newest);
  return count;
}

void describe(int device, DeviceInfo& info) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  int driver = 0, runtime = 0;
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  std::snprintf(info.name, sizeof info.name, "%.127s", properties.name);
  std::snprintf(info.isa, sizeof info.isa, "sm_%d%d", properties.major, properties.minor);
  check(cudaSetDevice(device), "cudaSetDevice");
  std::snprintf(info.blas, sizeof info.blas, "%s", blas_library().name().c_str());
  std::snprintf(info.driver, sizeof info.driver, "CUDA %s, runtime %s",
                version_text(driver).c_str(), version_text(runtime).c_str());
  info.units = properties.multiProcessorCount;
  info.memory_bytes = int64_t(properties.totalGlobalMem);
}

Backend make_table(const std::vector<KernelEntry>& kernels) {
  return {
      .abi = kBackendAbi,
      .bytes = sizeof(Backend),
      .device_count =
          [](int32_t* count, Failure* failure) {
            return guarded(failure, [&] { *count = count_devices(); });
          },
      .device_info =
          [](int32_t device, DeviceInfo* info, Failure* failure) {
            return guarded(failure, [&] { describe(device, *info); });
          },
      .open =
          [](int32_t device, const OpenOptions*, const Services* services, void** handle,
             Failure* failure) {
            return guarded(failure, [&] { *handle = new Stream(device, *services); });
          },
      .close = [](void* handle) { delete &stream_of(handle); },
      .allocate =
          [](void* handle, size_t bytes, void** data, Failure* failure) {
            return guarded(failure, [&] { *data = stream_of(handle).allocate(bytes); });
          },
      .release = [](void* handle, void* data) { stream_of(handle).release(data); },
      .copy =
          [](void* handle, void* to, const void* from, size_t bytes, Transfer direction,
             Failure* failure) {
            return guarded(failure, [&] {
              stream_of(handle).graphs().flush();
              stream_of(handle).copy(to, from, bytes, direction);
            });
          },
      .synchronize =
          [](void* handle, Failure* failure) {
            return guarded(failure, [&] {
              stream_of(handle).graphs().flush();
              stream_of(handle).synchronize();
            });
          },
      .mark =
          [](void* handle, int32_t end, Failure* failure) {
            return guarded(failure, [&] {
              stream_of(handle).graphs().flush();
              stream_of(handle).mark(end != 0);
            });
          },
      .seconds_between_marks =
          [](void* handle, double* seconds, Failure* failure) {
            return guarded(failure, [&] { *seconds = stream_of(handle).seconds_between_marks(); });
          },
      .begin_step =
          [](void* handle, Failure* failure) {
            return guarded(failure, [&] { stream_of(handle).graphs().begin_step(); });
          },
      .end_step =
          [](void* handle, Failure* failure) {
            return guarded(failure, [&] { stream_of(handle).graphs().end_step(); });
          },
      .graph_use = [](void* handle, GraphUse* use) { *use = stream_of(handle).graphs().use(); },
      .allocate_shared =
          [](void* handle, size_t bytes, void** data, SharedName* name, Failure* failure) {
            return guarded(failure,
                           [&] { *data = stream_of(handle).allocate_shared(bytes, *name); });
          },
      .attach =
          [](void* handle, const SharedName* name, void** data, Failure* failure) {
            return guarded(failure, [&] { *data = stream_of(handle).attach(*name); });
          },
      .release_shared = [](void* handle, void* data) { stream_of(handle).release_shared(data); },
      .detach = [](void* handle, void* data) { stream_of(handle).detach(data); },
      .kernels = kernels.data(),
      .kernel_count = int64_t(kernels.size()),
  };
}

}  // namespace
}  // namespace cuda
}  // namespace orthokit

extern "C" const orthokit::Backend* orthokit_backend() {
  using namespace orthokit;
  static const auto& kernels = *[] {
    auto* list = new std::vector<KernelEntry>;
    for (auto* k : kernel_list()) list->push_back({k->op().name, layout_of(k->op()), k->run});
    return list;
  }();
  static const Backend table = cuda::make_table(kernels);
  return &table;
}
