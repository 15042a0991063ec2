// A Node addon for tests: the emulator's control. It shares the emulator with the plug-in beside it,
// because both name the same library; so it also works before the plug-in is opened.
#include <node_api.h>

#include "control.h"

namespace {

napi_value text_of(napi_env env, const char* text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  return value;
}

napi_value control(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value argument, result = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  char command[256];
  if (napi_get_value_string_utf8(env, argument, command, sizeof command, &length) != napi_ok) {
    napi_throw_type_error(env, nullptr, "control: the command must be a string");
    return nullptr;
  }
  const int answer = cudaemu_control(command);
  if (answer < 0) {
    napi_throw_error(env, nullptr, "control: the emulator does not understand this command");
    return nullptr;
  }
  napi_create_int32(env, answer, &result);
  return result;
}

napi_value last_finding(napi_env env, napi_callback_info) {
  char text[1024];
  cudaemu_last_finding(text, sizeof text);
  return text_of(env, text);
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value function = nullptr;
  napi_create_function(env, "control", NAPI_AUTO_LENGTH, control, nullptr, &function);
  napi_set_named_property(env, exports, "control", function);
  napi_create_function(env, "lastFinding", NAPI_AUTO_LENGTH, last_finding, nullptr, &function);
  napi_set_named_property(env, exports, "lastFinding", function);
  return exports;
}
