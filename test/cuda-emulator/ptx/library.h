// The PTX that ORTHOKIT_EMULATOR_PTX names, and which of its kernels a kernel of the host is.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ptx/module.h"

namespace cudaemu::ptx {

class Library {
 public:
  // Of a list of files, one a line.
  explicit Library(const std::string& list);
  struct Entry {
    Module* module = nullptr;  // null: it is in none
    std::string name;
  };
  Entry find(const void* kernel);  // by the name of the host's function

 private:
  std::vector<std::unique_ptr<Module>> modules_;
  std::map<std::string, Entry> entries_;
  std::map<const void*, Entry> known_;
};

}  // namespace cudaemu::ptx
