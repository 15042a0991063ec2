#include "core/backends.h"

#include <dlfcn.h>
#include <elf.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>

namespace orthokit {

const Backend* cpu_backend(std::string* reason);  // native/cpu/backend.cpp

namespace {

struct Found {
  const Backend* table = nullptr;
  std::string reason;
};

std::string& plugin_folder() {
  static auto& folder = *new std::string;
  return folder;
}

std::string rebuilt(const std::string& path, const std::string& what) {
  return path + " was built for another version of orthokit (" + what +
         "); rebuild or reinstall it";
}

// The loader maps what the program headers say: beyond the end of a file that was cut short, the
// first touch ends the process. What is no ELF file at all is the loader's to name.
bool is_cut_short(const std::string& path, uint64_t bytes) {
  std::ifstream file(path, std::ios::binary);
  Elf64_Ehdr header;
  if (!file.read(reinterpret_cast<char*>(&header), sizeof header)) return false;
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
    return false;
  file.seekg(std::streamoff(header.e_phoff));
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part;
    if (!file.read(reinterpret_cast<char*>(&part), sizeof part)) return true;
    if (part.p_offset > bytes || part.p_filesz > bytes - part.p_offset) return true;
  }
  return false;
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

// The name of a plug-in, and the variable that names its file.
struct Plugin {
  const char *name, *variable;
};
constexpr Plugin kCudaPlugin{"CUDA", "ORTHOKIT_CUDA_PLUGIN"},
    kReferencePlugin{"reference", "ORTHOKIT_REFERENCE_PLUGIN"};

std::string named_file(const Plugin& plugin) {
  const char* file = secure_getenv(plugin.variable);
  return file ? file : "";
}

// The file that the variable names, or else the one beside the addon. A plug-in is never closed:
// its code must outlive every thread that may still run it.
Found open_plugin(const Plugin& plugin, const char* file) {
  const std::string named = named_file(plugin), variable = plugin.variable;
  // A relative name would load from whatever folder the process was started in.
  if (!named.empty() && named[0] != '/')
    return {nullptr, variable + " must be an absolute path, got " + named};
  const std::string path = named.empty() ? plugin_folder() + "/" + file : named;
  struct stat status;
  if (stat(path.c_str(), &status) != 0) {
    if (!named.empty()) return {nullptr, variable + " names " + path + ": " + std::strerror(errno)};
    return {nullptr, std::string("this build has no ") + plugin.name + " plug-in (" + path +
                         " does not exist)"};
  }
  if (!S_ISREG(status.st_mode)) return {nullptr, path + " is not a file"};
  if (is_cut_short(path, uint64_t(status.st_size)))
    return {nullptr, path + " is cut short; rebuild or reinstall it"};
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library)
    return {nullptr, std::string("the ") + plugin.name + " plug-in cannot be loaded: " + dlerror()};
  auto get = reinterpret_cast<decltype(&orthokit_backend)>(dlsym(library, "orthokit_backend"));
  if (!get) return {nullptr, path + " is not an orthokit plug-in"};
  try {
    return usable(get(), path);
  } catch (const std::exception& e) {
    return {nullptr, path + " cannot be started: " + e.what()};
  } catch (...) {
    return {nullptr, path + " cannot be started"};
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

void set_plugin_folder(std::string folder) {
  static std::once_flag once;
  std::call_once(once, [&] { plugin_folder() = std::move(folder); });
}

bool environment_flag(const char* name) {
  const char* value = secure_getenv(name);
  return value && *value && std::strcmp(value, "0") != 0;
}

}  // namespace orthokit
