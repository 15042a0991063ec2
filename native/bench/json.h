// One JSON object on one line, keys in the order of the calls.
#pragma once
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

namespace orthokit::bench {

class JsonLine {
 public:
  JsonLine& text(std::string_view key, std::string_view value) { return raw(key, quoted(value)); }
  JsonLine& word(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
  JsonLine& number(std::string_view key,
                   double value) {  // four digits; JSON has no NaN and no infinity
    char digits[32];
    const auto end =
        std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, 4).ptr;
    return raw(key, std::isfinite(value) ? std::string_view(digits, size_t(end - digits)) : "null");
  }
  JsonLine& raw(std::string_view key, std::string_view json) {
    text_ += (text_.empty() ? "" : ",") + quoted(key) + ":";
    text_ += json;
    return *this;
  }
  std::string begin() const { return "{" + text_; }  // of a line to which more is added
  std::string str() const { return begin() + "}"; }

 private:
  static std::string quoted(std::string_view value) {
    std::string result = "\"";
    for (char c : value) {
      if (c == '"' || c == '\\') result += '\\';
      result += uint8_t(c) < 32 ? ' ' : c;
    }
    return result + "\"";
  }
  std::string text_;
};

}  // namespace orthokit::bench
