// Words of messages for JavaScript values and for names that are not known.
#pragma once
#include <node_api.h>

#include <span>
#include <string>
#include <string_view>

namespace orthokit {

// A value in a message: numbers and words as they are, text in quotes, the rest by its kind.
std::string shown(napi_env env, napi_value value);

// ", did you mean transB?", or nothing where no name is near.
std::string suggestion(std::string_view name, std::span<const std::string_view> known);

}  // namespace orthokit
