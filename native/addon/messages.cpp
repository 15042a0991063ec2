#include "addon/messages.h"

#include <charconv>
#include <cmath>
#include <iterator>

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

}  // namespace orthokit
