#include "addon/messages.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace orthokit {
namespace {

constexpr size_t kLongest = 100;  // bytes of a text from outside

std::string quoted(napi_env env, napi_value value) {
  char text[kLongest + 4];  // a character has up to 4 bytes and is written whole or not at all
  size_t length = 0, whole = 0;
  napi_get_value_string_utf8(env, value, text, sizeof text, &length);
  napi_get_value_string_utf8(env, value, nullptr, 0, &whole);
  return "'" + std::string(text, length) + (length < whole ? "…'" : "'");
}

std::string number_text(double x) {
  if (std::isnan(x)) return "NaN";
  if (std::isinf(x)) return x < 0 ? "-Infinity" : "Infinity";
  char digits[32];
  return {digits, std::to_chars(digits, std::end(digits), x).ptr};
}

// Letters to change, leave out, put in or exchange; capitals do not count.
size_t distance(std::string_view a, std::string_view b) {
  const auto same = [](char x, char y) {
    return std::tolower(uint8_t(x)) == std::tolower(uint8_t(y));
  };
  std::vector<size_t> before, above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + !same(a[i - 1], b[j - 1])});
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = std::exchange(above, row);
  }
  return above[b.size()];
}

}  // namespace

std::string shown(napi_env env, napi_value value) {
  napi_valuetype type;
  if (napi_typeof(env, value, &type) != napi_ok) return "a value";
  bool flag = false;
  double number = 0;
  switch (type) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      napi_get_value_bool(env, value, &flag);
      return flag ? "true" : "false";
    case napi_number:
      napi_get_value_double(env, value, &number);
      return number_text(number);
    case napi_string:
      return quoted(env, value);
    case napi_object:
      return napi_is_array(env, value, &flag) == napi_ok && flag ? "a list" : "an object";
    case napi_function:
      return "a function";
    case napi_symbol:
      return "a symbol";
    case napi_bigint:
      return "a bigint";
    default:
      return "a value";
  }
}

std::string suggestion(std::string_view name, std::span<const std::string_view> known) {
  if (name.size() > kLongest) return "";
  std::string_view nearest;
  size_t least = 3;  // more changes than two make another word
  for (auto candidate : known) {
    const size_t changes = distance(name, candidate);
    if (changes >= least || 2 * changes > candidate.size()) continue;
    least = changes, nearest = candidate;
  }
  return nearest.empty() ? "" : ", did you mean " + std::string(nearest) + "?";
}

}  // namespace orthokit
