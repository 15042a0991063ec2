#include "bench/reference/reference.h"

#include <algorithm>
#include <string_view>

namespace orthokit::bench {

std::vector<Reference>& reference_list() {
  static std::vector<Reference> list;
  return list;
}

const Reference* find_reference(const OpInfo& op) {
  const auto& list = reference_list();
  const auto at =
      std::ranges::find_if(list, [&](auto& r) { return std::string_view(r.op->name) == op.name; });
  return at == list.end() ? nullptr : &*at;
}

}  // namespace orthokit::bench
