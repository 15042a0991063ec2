// Names of functions, as compilers mangle them.
#pragma once
#include <string>

namespace cudaemu::ptx {

// Of a function of a loaded module, exported or not; empty: its symbols do not say.
std::string symbol_of(const void* function);
// The same for nvcc and the host's compiler, which write unnamed namespaces differently.
std::string common_name(std::string mangled);

}  // namespace cudaemu::ptx
