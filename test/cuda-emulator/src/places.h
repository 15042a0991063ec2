// Addresses of code in words: function, file, line. Needs addr2line and debug information.
#pragma once
#include <string>

namespace cudaemu {

std::string function_name(const void* function);
std::string place_name(const void* return_address);

}  // namespace cudaemu
