#include "ptx/library.h"

#include <fstream>
#include <iterator>

#include "findings.h"
#include "ptx/symbols.h"

namespace cudaemu::ptx {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) stop_process("%s cannot be read", path.c_str());
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Library::Library(const std::string& list) {
  std::ifstream files(list);
  if (!files) stop_process("ORTHOKIT_EMULATOR_PTX: %s cannot be read", list.c_str());
  for (std::string path; std::getline(files, path);) {
    if (path.empty()) continue;
    try {
      modules_.push_back(std::make_unique<Module>(read_file(path)));
    } catch (const Unsupported& reason) {
      stop_process("%s: %s", path.c_str(), reason.what());
    }
    for (const auto& name : modules_.back()->kernels())
      entries_.try_emplace(common_name(name), Entry{modules_.back().get(), name});
  }
}

Library::Entry Library::find(const void* kernel) {
  const auto [known, fresh] = known_.try_emplace(kernel);
  if (!fresh) return known->second;
  const std::string name = common_name(symbol_of(kernel));
  const auto found = entries_.find(name);
  return known->second = found == entries_.end() ? Entry{nullptr, name} : found->second;
}

}  // namespace cudaemu::ptx
