// The references as a device of kind 'reference', for tests in TypeScript: a plug-in of its own,
// which no published package holds. One thread, one stream; each op is done when its call returns.
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "bench/reference/reference.h"

namespace orthokit::bench {
namespace {

struct Stream {};

Backend table() {
  return {
      .abi = kBackendAbi,
      .bytes = sizeof(Backend),
      .device_count = [](int32_t* count, Failure*) -> int32_t { return *count = 1, 0; },
      .device_info = [](int32_t, DeviceInfo* info, Failure*) -> int32_t {
        std::strcpy(info->name, "plain loops in f64");
        std::strcpy(info->isa, "portable");
        std::strcpy(info->blas, "none");
        info->units = 1;
        info->memory_bytes = int64_t(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
        return 0;
      },
      .open = [](int32_t, const OpenOptions*, const Services*, void** handle,
                 Failure* failure) { return guarded(failure, [&] { *handle = new Stream; }); },
      .close = [](void* handle) { delete static_cast<Stream*>(handle); },
      .allocate =
          [](void*, size_t bytes, void** data, Failure* failure) {
            return guarded(failure, [&] {
              if (!(*data = std::aligned_alloc(256, (bytes + 255) / 256 * 256)))
                throw Error(ErrorCode::kMemory,
                            "the device has no memory for " + std::to_string(bytes) + " bytes");
            });
          },
      .release = [](void*, void* data) { std::free(data); },
      .copy = [](void*, void* to, const void* from, size_t bytes, Transfer, Failure*) -> int32_t {
        if (bytes) std::memcpy(to, from, bytes);
        return 0;
      },
      .synchronize = [](void*, Failure*) -> int32_t { return 0; },
  };
}

}  // namespace
}  // namespace orthokit::bench

const orthokit::Backend* orthokit_backend() {
  using namespace orthokit;
  struct Filled {
    std::vector<KernelEntry> kernels;
    Backend table = bench::table();
  };
  static const Filled& filled = *[] {
    auto* f = new Filled;
    for (auto& r : bench::reference_list())
      f->kernels.push_back({r.op->name, layout_of(*r.op), r.kernel});
    f->table.kernels = f->kernels.data();
    f->table.kernel_count = int64_t(f->kernels.size());
    return f;
  }();
  return &filled.table;
}
