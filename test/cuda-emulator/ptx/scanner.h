// Words and numbers of a text of PTX.
#pragma once
#include <string>
#include <string_view>

#include "ptx/program.h"

namespace cudaemu::ptx {

class Scanner {
 public:
  explicit Scanner(std::string_view text, size_t at = 0, int line = 1)
      : text_(text), at_(at), line_(line) {}

  bool done();
  char next();              // the next character that is not space; 0 at the end
  std::string_view word();  // may be empty
  bool take(char c);
  void expect(char c);
  bool at_number();
  uint64_t number();  // an integer, or the bits of 0f… and 0d…
  std::string_view quoted();
  void skip_char() { step(); }
  void skip_line();
  void skip_past(char c);
  void skip_braces();  // from { to its }
  [[noreturn]] void fail(const std::string& what);

  size_t at() const { return at_; }
  int line() const { return line_; }
  std::string_view text() const { return text_; }

 private:
  void step();
  void skip_space();
  std::string_view text_;
  size_t at_;
  int line_;
};

}  // namespace cudaemu::ptx
