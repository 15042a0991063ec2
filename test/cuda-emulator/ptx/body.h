// Reads a kernel's body. Calls are expanded where they stand, so that what runs is one sequence.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "ptx/module.h"
#include "ptx/scanner.h"

namespace cudaemu::ptx {

class BodyParser {
 public:
  BodyParser(Module& module, Kernel& kernel) : module_(module), kernel_(kernel), scan_("") {}
  void read(const Place& entry);

 private:
  struct Registers {  // name0, name1, …
    int first, count;
  };
  struct Variable {
    Space space;
    uint64_t offset;
  };
  struct Symbol {
    Space space;
    uint64_t offset;
    int reg;  // that holds its address; -1: the offset is it
  };
  struct Scope {
    std::map<std::string, Registers, std::less<>> registers;
    std::map<std::string, Variable, std::less<>> variables;
  };

  void read_parameters();
  void skip_to_body();
  void read_body();  // until its closing brace
  void read_registers();
  void read_variable(Space);
  void read_location();
  void read_table(const std::string& name);
  void read_instruction(std::string name, int predicate, bool negated);
  void read_call();
  void join_labels();

  Operand read_operand();
  Operand read_address();
  Operand read_list();
  int read_element();
  int register_of(std::string_view name) const;  // -1: no such register
  int constant(uint64_t value);
  int special(std::string_view name);
  bool find_symbol(const std::string& name, Symbol&);
  std::string label(std::string_view name) const;

  Module& module_;
  Kernel& kernel_;
  Scanner scan_;
  std::vector<Scope> scopes_;
  size_t function_scope_ = 0;  // the outermost that is visible
  int call_ = 0, calls_ = 0;   // which expansion, in the names of its labels
  int depth_ = 0;
  Space address_space_ = Space::kGeneric;  // of the symbol in the last address
  std::string label_;                      // the last operand that was one
  std::map<std::string, int> labels_;
  std::vector<std::pair<size_t, std::string>> jumps_;
  std::map<std::string, std::vector<std::string>> tables_;
  int source_file_ = 0, source_line_ = 0;
};

}  // namespace cudaemu::ptx
