#include "core/composer.h"

#include <algorithm>

namespace orthokit {

View Composer::temporary(const Shape& shape, Dtype dtype) {
  View view = view_of(nullptr, shape, dtype, device_.id());
  try {
    view.data = device_.scratch(std::max<size_t>(1, size_t(view.size()) * bytes_of(dtype)));
  } catch (const Error& e) {
    throw Error(e.code, api_name(*entry_.info) + ": " + e.message, e.native);
  }
  return view;
}

int64_t Composer::threads() const {
  return device_.kind() == Kind::kCpu ? std::max<int64_t>(1, device_.device_info().units) : 0;
}

}  // namespace orthokit
