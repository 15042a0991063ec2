// Name and version of the library that the plug-in of an engine was compiled against, as text:
// `orthokit run` finds it in the file of the plug-in, so that it need not load that library.
#pragma once
#include <cstdio>
#include <cstring>

#define ORTHOKIT_TEXT_OF(x) #x
#define ORTHOKIT_TEXT(x) ORTHOKIT_TEXT_OF(x)
#define ORTHOKIT_ENGINE_MARK "orthokit engine: "

namespace orthokit {

// Of a text that begins with the mark and ends with a line.
inline void write_library(const char* marked, char* text, size_t of) {
  const char* name = marked + sizeof ORTHOKIT_ENGINE_MARK - 1;
  std::snprintf(text, of, "%.*s", int(std::strlen(name)) - 1, name);
}

}  // namespace orthokit
