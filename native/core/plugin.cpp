#include "core/plugin.h"

#include <dlfcn.h>
#include <elf.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "core/small_file.h"

namespace orthokit {
namespace {

std::string& folder_of_plugins() {
  static auto& folder = *new std::string;
  return folder;
}

// The loader maps what the program headers say: beyond the end of a file that was cut short, the
// first touch ends the process. What is no ELF file at all is the loader's to name.
bool is_cut_short(const std::string& path, uint64_t bytes) {
  const SmallFile file(std::fopen(path.c_str(), "re"));
  Elf64_Ehdr header;
  if (!file || std::fread(&header, sizeof header, 1, file.get()) != 1) return false;
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
    return false;
  if (fseeko(file.get(), off_t(header.e_phoff), SEEK_SET) != 0) return true;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr part;
    if (std::fread(&part, sizeof part, 1, file.get()) != 1) return true;
    if (part.p_offset > bytes || part.p_filesz > bytes - part.p_offset) return true;
  }
  return false;
}

}  // namespace

std::string named_file(const Plugin& plugin) {
  const char* file = secure_getenv(plugin.variable);
  return file ? file : "";
}

Opened open_library(const Plugin& plugin, const char* file, const char* entry) {
  const std::string named = named_file(plugin), variable = plugin.variable;
  const std::string path = named.empty() ? plugin_folder() + "/" + file : named;
  const auto refused = [&](std::string reason) { return Opened{nullptr, path, std::move(reason)}; };
  // A relative name would load from whatever folder the process was started in.
  if (!named.empty() && named[0] != '/')
    return refused(variable + " must be an absolute path, got " + named);
  struct stat status;
  if (stat(path.c_str(), &status) != 0) {
    if (!named.empty()) return refused(variable + " names " + path + ": " + std::strerror(errno));
    return refused(std::string("this build has no ") + plugin.name + " plug-in (" + path +
                   " does not exist)");
  }
  if (!S_ISREG(status.st_mode)) return refused(path + " is not a file");
  if (is_cut_short(path, uint64_t(status.st_size)))
    return refused(path + " is cut short; rebuild or reinstall it");
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library)
    return refused(std::string("the ") + plugin.name + " plug-in cannot be loaded: " + dlerror());
  void* found = dlsym(library, entry);
  if (!found) return refused(path + " is not an orthokit plug-in");
  return {found, path, ""};
}

void set_plugin_folder(std::string folder) {
  static std::once_flag once;
  std::call_once(once, [&] { folder_of_plugins() = std::move(folder); });
}

const std::string& plugin_folder() { return folder_of_plugins(); }

}  // namespace orthokit
