// Which backends this process has, or why it has them not.
#pragma once
#include <optional>

#include "core/registry.h"

namespace orthokit {

// The kind of that name, as far as this process knows it: 'reference' where
// ORTHOKIT_REFERENCE_PLUGIN names a file, as tests of orthokit do.
std::optional<Kind> kind_of_name(std::string_view name);
const Backend* backend(
    Kind);  // null when there is none; looked for at the first question, once per process
std::string unavailable(Kind);            // why, in words a person can act on; or empty
bool environment_flag(const char* name);  // 0 or empty is off

}  // namespace orthokit
