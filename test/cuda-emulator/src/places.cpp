#include "places.h"

#include <dlfcn.h>

#include <cstdio>
#include <map>
#include <mutex>

#include "ptx/interpreter.h"

namespace cudaemu {
namespace {

// "function at path:line" of an address, or an empty string.
std::string look_up(const char* address) {
  Dl_info module{};
  if (!dladdr(address, &module) || !module.dli_fname) return {};
  char command[600];
  std::snprintf(command, sizeof command, "addr2line -Cfpe '%s' 0x%zx 2>/dev/null", module.dli_fname,
                size_t(address - static_cast<const char*>(module.dli_fbase)));
  std::string text;
  if (FILE* pipe = popen(command, "r")) {
    char line[500];
    if (std::fgets(line, sizeof line, pipe)) text = line;
    pclose(pipe);
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.rfind("??", 0) == 0 ? std::string() : text;
}

const std::string& cached(const char* address) {
  static std::mutex& mutex = *new std::mutex;
  static auto& names = *new std::map<const char*, std::string>;
  const std::lock_guard lock(mutex);
  const auto [entry, fresh] = names.try_emplace(address);
  if (fresh) entry->second = look_up(address);
  return entry->second;
}

}  // namespace

std::string function_name(const void* function) {
  std::string text = cached(static_cast<const char*>(function));
  const std::string anonymous = "(anonymous namespace)::";
  for (size_t at; (at = text.find(anonymous)) != std::string::npos;)
    text.erase(at, anonymous.size());
  if (text.rfind("void ", 0) == 0) text.erase(0, 5);  // before templates
  return text.empty() ? "kernel" : text.substr(0, text.find('('));
}

std::string place_name(const void* return_address) {
  if (std::string place = ptx::place_of(return_address); !place.empty()) return place;
  std::string text = cached(static_cast<const char*>(return_address) - 1);
  const size_t at = text.rfind(" at "), slash = text.rfind('/');
  if (at != std::string::npos && slash != std::string::npos && slash > at)
    text.erase(at + 4, slash + 1 - (at + 4));
  return text.empty() ? "a place without debug information" : text;
}

}  // namespace cudaemu
