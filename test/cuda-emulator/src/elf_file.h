// Sections and tables of a module's file.
#pragma once
#include <link.h>

#include <fstream>
#include <vector>

#include "findings.h"

namespace cudaemu {

class ElfFile {
 public:
  explicit ElfFile(const char* module)
      : file_(*module ? module : "/proc/self/exe", std::ios::binary) {
    const auto header = read<ElfW(Ehdr)>(0, sizeof(ElfW(Ehdr))).front();
    sections_ = read<ElfW(Shdr)>(header.e_shoff, header.e_shnum * sizeof(ElfW(Shdr)));
    if (!file_) stop_process("the symbols of %s cannot be read", module);
  }
  const std::vector<ElfW(Shdr)>& sections() const { return sections_; }
  template <class T>
  std::vector<T> table(const ElfW(Shdr) & section) const {
    return read<T>(section.sh_offset, section.sh_size);
  }

 private:
  template <class T>
  std::vector<T> read(size_t offset, size_t bytes) const {
    std::vector<T> table(bytes / sizeof(T));
    file_.seekg(std::streamoff(offset));
    file_.read(reinterpret_cast<char*>(table.data()), std::streamsize(table.size() * sizeof(T)));
    return table;
  }
  mutable std::ifstream file_;
  std::vector<ElfW(Shdr)> sections_;
};

}  // namespace cudaemu
