// Declarations of variables and parameters.
#pragma once
#include <vector>

#include "ptx/scanner.h"

namespace cudaemu::ptx {

struct Declaration {
  std::string name;
  size_t bytes = 0, alignment = 1;
  std::vector<char> initial;
};
// Behind the word of its state space: ".align 8 .b8 name[24] = {…}", without what ends it.
Declaration read_declaration(Scanner&);

}  // namespace cudaemu::ptx
