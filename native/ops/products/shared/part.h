// Parts of a view that lie in it as they are.
#pragma once
#include <initializer_list>

#include "core/op.h"

namespace orthokit {

// So many elements from `first` on, in another shape.
inline View part(const View& whole, int64_t first, std::initializer_list<int64_t> shape) {
  View view = whole;
  view.data = whole.as<std::byte>() + size_t(first) * bytes_of(whole.dtype);
  view.rank = 0;
  for (int64_t size : shape) view.shape[view.rank++] = size;
  return view;
}

}  // namespace orthokit
