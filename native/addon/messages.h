// Words of messages for JavaScript values.
#pragma once
#include <node_api.h>

#include <string>

namespace orthokit {

// A value in a message: numbers and words as they are, text in quotes, the rest by its kind.
std::string shown(napi_env env, napi_value value);

}  // namespace orthokit
