// Plug-ins: shared libraries beside the addon, opened at the first question for what they offer.
#pragma once
#include <string>

namespace orthokit {

// The name of a plug-in, and the variable that names its file.
struct Plugin {
  const char *name, *variable;
};

struct Opened {
  void* entry = nullptr;  // the function that the plug-in exports; null: the reason says why
  std::string path, reason;
};

// The file that the variable names, or else the one beside the addon. A plug-in is never closed:
// its code must outlive every thread that may still run it.
Opened open_library(const Plugin&, const char* file, const char* entry);
std::string named_file(const Plugin&);  // by the variable; or empty

// Beside the addon; first call counts.
void set_plugin_folder(std::string folder);
const std::string& plugin_folder();

}  // namespace orthokit
