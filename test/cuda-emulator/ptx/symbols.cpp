#include "ptx/symbols.h"

#include <dlfcn.h>
#include <link.h>

#include <cctype>
#include <charconv>
#include <map>

#include "elf_file.h"

namespace cudaemu::ptx {
namespace {

using Names = std::map<uintptr_t, std::string>;  // by the address in the module

Names read_names(const char* module) {
  const ElfFile file(module);
  Names names;
  for (const auto& section : file.sections()) {
    if (section.sh_type != SHT_SYMTAB) continue;
    const auto text = file.table<char>(file.sections()[section.sh_link]);
    for (const auto& symbol : file.table<ElfW(Sym)>(section))
      if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != SHN_UNDEF)
        names.try_emplace(symbol.st_value, &text[symbol.st_name]);
  }
  return names;
}

}  // namespace

std::string symbol_of(const void* function) {
  static auto& modules = *new std::map<const void*, Names>;
  Dl_info module{};
  if (!dladdr(function, &module)) return {};
  const auto [entry, fresh] = modules.try_emplace(module.dli_fbase);
  if (fresh) entry->second = read_names(module.dli_fname);
  const auto base = reinterpret_cast<uintptr_t>(module.dli_fbase);
  const auto found = entry->second.find(reinterpret_cast<uintptr_t>(function) - base);
  return found == entry->second.end() ? std::string() : found->second;
}

std::string common_name(std::string mangled) {
  // The host's compiler marks a static function with an L before its name.
  for (size_t at = 1; at + 1 < mangled.size(); ++at)
    if (mangled[at] == 'L' && std::isdigit(static_cast<unsigned char>(mangled[at + 1])))
      mangled.erase(at, 1);
  constexpr std::string_view kUnnamed = "_GLOBAL__N_", kHosts = "12_GLOBAL__N_1";
  for (size_t at = 0; (at = mangled.find(kUnnamed, at)) != mangled.npos;) {
    size_t digits = at;
    while (digits > 0 && std::isdigit(static_cast<unsigned char>(mangled[digits - 1]))) --digits;
    size_t length = 0;
    std::from_chars(mangled.data() + digits, mangled.data() + at, length);
    mangled.replace(digits, at - digits + length, kHosts);
    at = digits + kHosts.size();
  }
  return mangled;
}

}  // namespace cudaemu::ptx
