// Windows that move over images [N, H, W, C].
#pragma once
#include <limits>

#include "core/op.h"

namespace orthokit {

enum class PoolKind : int32_t { kMax, kAverage };
inline Words words(PoolKind) {
  static constexpr const char* list[] = {"max", "average"};
  return list;
}

struct PoolWindows {
  int64_t size, stride;  // as they are used

  PoolWindows(int64_t size, int64_t stride) : size(size), stride(stride == 0 ? size : stride) {}
  int64_t count(int64_t length) const { return (length - size) / stride + 1; }
  bool fit(const View& x) const { return size <= x.shape[1] && size <= x.shape[2]; }
  bool give(const View& out, const View& x) const {
    return out.rank == 4 && out.shape[0] == x.shape[0] && out.shape[1] == count(x.shape[1]) &&
           out.shape[2] == count(x.shape[2]) && out.shape[3] == x.shape[3];
  }
  // Of the place of a largest element in its window, row · size + column.
  Dtype place_dtype() const { return size <= 16 ? Dtype::kU8 : Dtype::kI32; }

  static void check(auto require, int64_t size, int64_t stride) {
    require(size > 0, ErrorCode::kArgument, "size must be positive", double(size));
    require(stride >= 0 && stride <= std::numeric_limits<int32_t>::max(), ErrorCode::kArgument,
            "stride must be from 0 to 2^31 - 1", double(stride));
  }
};

}  // namespace orthokit
