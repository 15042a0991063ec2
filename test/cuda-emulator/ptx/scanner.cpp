#include "ptx/scanner.h"

#include <cctype>

namespace cudaemu::ptx {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' ||
         c == '.';
}

}  // namespace

void Scanner::fail(const std::string& what) {
  throw Unsupported("PTX line " + std::to_string(line_) + ": " + what);
}

void Scanner::step() { line_ += text_[at_++] == '\n'; }

void Scanner::skip_space() {
  while (at_ < text_.size()) {
    if (std::isspace(static_cast<unsigned char>(text_[at_]))) {
      step();
    } else if (text_.substr(at_, 2) == "//") {
      skip_line();
    } else if (text_.substr(at_, 2) == "/*") {
      while (at_ < text_.size() && text_.substr(at_, 2) != "*/") step();
      at_ = std::min(at_ + 2, text_.size());
    } else {
      return;
    }
  }
}

bool Scanner::done() { return next() == 0; }

char Scanner::next() {
  skip_space();
  return at_ < text_.size() ? text_[at_] : '\0';
}

std::string_view Scanner::word() {
  skip_space();
  const size_t begin = at_;
  while (at_ < text_.size() && is_word(text_[at_])) ++at_;
  return text_.substr(begin, at_ - begin);
}

bool Scanner::take(char c) {
  if (next() != c) return false;
  step();
  return true;
}

void Scanner::expect(char c) {
  if (!take(c))
    fail(std::string("'") + c + "' is missing before '" + std::string(text_.substr(at_, 30)) + "'");
}

bool Scanner::at_number() {
  const char c = next();
  return c == '-' || std::isdigit(static_cast<unsigned char>(c));
}

uint64_t Scanner::number() {
  const bool negative = take('-');
  std::string digits(word());
  if (digits.empty()) fail("a number is missing");
  if (digits.size() > 2 && digits[0] == '0' && std::string_view("fFdD").find(digits[1]) < 4)
    return std::stoull(digits.substr(2), nullptr, 16);
  if (digits.back() == 'U') digits.pop_back();
  size_t used = 0;
  uint64_t value = 0;
  try {
    value = std::stoull(digits, &used, 0);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used != digits.size()) fail(digits + " is no number");
  return negative ? -value : value;
}

std::string_view Scanner::quoted() {
  expect('"');
  const size_t begin = at_, end = text_.find('"', at_);
  if (end == text_.npos) fail("a quotation does not end");
  while (at_ <= end) step();
  return text_.substr(begin, end - begin);
}

void Scanner::skip_line() {
  while (at_ < text_.size() && text_[at_] != '\n') ++at_;
}

void Scanner::skip_past(char c) {
  while (at_ < text_.size() && text_[at_] != c) step();
  if (at_ == text_.size()) fail(std::string("'") + c + "' is missing");
  step();
}

void Scanner::skip_braces() {
  expect('{');
  for (int depth = 1; depth > 0;) {
    if (at_ == text_.size()) fail("a brace is not closed");
    depth += (text_[at_] == '{') - (text_[at_] == '}');
    step();
  }
}

}  // namespace cudaemu::ptx
