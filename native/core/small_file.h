// Files of the system that fit in memory, without streams: with those the addon would carry all of
// their locales.
#pragma once
#include <cstdio>
#include <memory>
#include <string>

namespace orthokit {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using SmallFile = std::unique_ptr<std::FILE, CloseFile>;

// All that a file holds; nothing where it cannot be read.
inline std::string text_of_file(const std::string& path) {
  const SmallFile file(std::fopen(path.c_str(), "re"));
  std::string text;
  char part[4096];
  while (file) {
    const size_t count = std::fread(part, 1, sizeof part, file.get());
    if (count == 0) break;
    text.append(part, count);
  }
  return text;
}

}  // namespace orthokit
