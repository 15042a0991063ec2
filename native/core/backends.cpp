#include "core/backends.h"

#include <cstdlib>
#include <cstring>

#include "core/plugin.h"

namespace orthokit {

const Backend* cpu_backend(std::string* reason);  // native/cpu/backend.cpp

namespace {

struct Found {
  const Backend* table = nullptr;
  std::string reason;
};

std::string rebuilt(const std::string& path, const std::string& what) {
  return path + " was built for another version of orthokit (" + what +
         "); rebuild or reinstall it";
}

// The table of a plug-in, if it is of this version and has a device.
Found usable(const Backend* table, const std::string& path) {
  if (!table) return {nullptr, path + " offers no backend"};
  if (table->abi != kBackendAbi || table->bytes != sizeof(Backend))
    return {nullptr, rebuilt(path, "contract " + std::to_string(table->abi))};
  for (int64_t i = 0; i < table->kernel_count; ++i) {
    const auto* op = registry().find(table->kernels[i].name);
    if (!op || layout_of(*op->info) != table->kernels[i].layout)
      return {nullptr, rebuilt(path, std::string("op ") + table->kernels[i].name)};
  }
  int32_t count = 0;
  Failure failure;
  if (table->device_count(&count, &failure)) return {nullptr, failure.text};
  if (count == 0) return {nullptr, "there is no CUDA device"};
  return {table, ""};
}

constexpr Plugin kCudaPlugin{"CUDA", "ORTHOKIT_CUDA_PLUGIN"},
    kReferencePlugin{"reference", "ORTHOKIT_REFERENCE_PLUGIN"};

Found open_plugin(const Plugin& plugin, const char* file) {
  const Opened opened = open_library(plugin, file, "orthokit_backend");
  if (!opened.entry) return {nullptr, opened.reason};
  auto get = reinterpret_cast<decltype(&orthokit_backend)>(opened.entry);
  try {
    return usable(get(), opened.path);
  } catch (const std::exception& e) {
    return {nullptr, opened.path + " cannot be started: " + e.what()};
  } catch (...) {
    return {nullptr, opened.path + " cannot be started"};
  }
}

Found find_backend(Kind kind) {
  if (kind == Kind::kCpu) {
    Found found;
    found.table = cpu_backend(&found.reason);
    return found;
  }
  if (kind == Kind::kReference) return open_plugin(kReferencePlugin, "orthokit_reference.so");
  if (environment_flag("ORTHOKIT_DISABLE_CUDA"))
    return {nullptr, "disabled by ORTHOKIT_DISABLE_CUDA"};
  return open_plugin(kCudaPlugin, "orthokit_cuda.so");
}

Found open_backend(Kind kind) {
  Found found = find_backend(kind);
  for (int64_t i = 0; found.table && i < found.table->kernel_count; ++i)
    registry().find(found.table->kernels[i].name)->kernels[int(kind)] = found.table->kernels[i].run;
  return found;
}

const Found& found(Kind kind) {
  static const Found& cpu = *new Found(open_backend(Kind::kCpu));
  if (kind == Kind::kCpu) return cpu;
  if (kind == Kind::kReference) {
    static const Found& reference = *new Found(open_backend(Kind::kReference));
    return reference;
  }
  static const Found& cuda = *new Found(open_backend(Kind::kCuda));
  return cuda;
}

}  // namespace

std::optional<Kind> kind_of_name(std::string_view name) {
  for (int i = 0; i < kKinds; ++i)
    if (name == kKindNames[i] &&
        (Kind(i) != Kind::kReference || !named_file(kReferencePlugin).empty()))
      return Kind(i);
  return std::nullopt;
}

const Backend* backend(Kind kind) { return found(kind).table; }
std::string unavailable(Kind kind) { return found(kind).reason; }

bool environment_flag(const char* name) {
  const char* value = secure_getenv(name);
  return value && *value && std::strcmp(value, "0") != 0;
}

}  // namespace orthokit
