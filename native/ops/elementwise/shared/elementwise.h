// Shared parts of products and quotients of lists of tensors, element by element.
#pragma once
#include "core/op.h"

namespace orthokit {

inline double total_size(const List<View>& list) {
  double n = 0;
  for (auto& v : list) n += double(v.size());
  return n;
}

inline void check_elementwise(auto require, const List<View>& out, const List<View>& x,
                              const List<View>& y) {
  require(x.count == out.count, ErrorCode::kArgument, "x must be as many as out", double(x.count));
  require(y.count == out.count, ErrorCode::kArgument, "y must be as many as out", double(y.count));
  for (int64_t i = 0; i < out.count; ++i) {
    require(is_floating(out[i]), ErrorCode::kDtype, "out must be floating", out[i]);
    require(x[i].dtype == out[i].dtype, ErrorCode::kDtype, "x must have out's dtype", x[i]);
    require(y[i].dtype == out[i].dtype, ErrorCode::kDtype, "y must have out's dtype", y[i]);
    require(same_shape(x[i], out[i]), ErrorCode::kShape, "x must have out's shape", x[i], "out",
            out[i]);
    require(same_shape(y[i], out[i]), ErrorCode::kShape, "y must have out's shape", y[i], "out",
            out[i]);
  }
}

}  // namespace orthokit
