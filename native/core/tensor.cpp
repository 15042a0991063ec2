#include "core/tensor.h"

namespace orthokit {

constexpr int64_t kMaxElements = int64_t(1) << 44;
constexpr Require require;

View view_of(void* data, const Shape& shape, Dtype dtype, int device) {
  require(shape.size() <= kMaxRank, ErrorCode::kShape, "shape must have at most 5 dimensions",
          double(shape.size()));
  View view{.data = data, .rank = int32_t(shape.size()), .dtype = dtype, .device = device};
  int64_t most = 1;  // zeros left out, so that [2^40, 2^40, 0] is refused like [2^40, 2^40]
  for (size_t i = 0; i < shape.size(); ++i) {
    require(shape[i] >= 0, ErrorCode::kShape, "shape must not be negative", double(shape[i]));
    const bool fits =
        !__builtin_mul_overflow(most, shape[i] ? shape[i] : 1, &most) && most <= kMaxElements;
    require(fits, ErrorCode::kShape, "shape must hold at most 2^44 elements", double(shape[i]));
    view.shape[i] = shape[i];
  }
  return view;
}

Tensor Tensor::reshaped(const Shape& shape) const {
  View view = view_of(view_.data, shape, view_.dtype, view_.device);
  view.reserved = view_.reserved;
  require(view.size() == view_.size(), ErrorCode::kShape,
          "shape must have as many elements as the tensor", view_);
  return {view, owner_};
}

Tensor Tensor::rows(int64_t from, int64_t to) const {
  require(view_.rank > 0, ErrorCode::kShape, "tensor must have rows", view_);
  require(from >= 0 && from <= to, ErrorCode::kShape, "from must be a row", double(from));
  require(to <= view_.shape[0], ErrorCode::kShape, "to must be at most the number of rows",
          double(to));
  View view = view_;
  view.shape[0] = 1;
  const size_t row_bytes = size_t(view.size()) * bytes_of(view.dtype);
  view.data = static_cast<std::byte*>(view_.data) + size_t(from) * row_bytes;
  view.shape[0] = to - from;
  if (to - from < view_.shape[0]) view.reserved = 1;
  return {view, owner_};
}

}  // namespace orthokit
