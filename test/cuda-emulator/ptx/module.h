// A text of PTX: its kernels, made ready when they are first asked for.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ptx/program.h"

namespace cudaemu::ptx {

struct Place {  // in the text
  size_t at = 0;
  int line = 1;
};

class Module {
 public:
  explicit Module(std::string text);
  std::vector<std::string> kernels() const;
  bool has(const std::string& kernel) const { return entries_.count(kernel) > 0; }
  const Kernel& kernel(const std::string& name);  // throws Unsupported

  // Questions of the parser of a kernel's body.
  struct Shared {
    size_t bytes, alignment;
  };
  const std::string& text() const { return text_; }
  const Place* function(const std::string& name) const;  // from its parameters on
  const Shared* shared(const std::string& name) const;   // 0 bytes: all that the launch asks for
  const std::vector<char>* constant(const std::string& name) const;
  const std::vector<std::vector<char>*>& constants() const { return constant_list_; }

 private:
  void read_directives();
  std::string text_;
  std::map<std::string, Place> entries_, functions_;
  std::map<std::string, Shared> shared_;
  std::map<std::string, std::unique_ptr<std::vector<char>>> constants_;
  std::vector<std::vector<char>*> constant_list_;
  std::map<int, std::string> files_;
  std::map<std::string, std::unique_ptr<Kernel>> ready_;
};

}  // namespace cudaemu::ptx
