// A tensor: a view and a share in its bytes.
#pragma once
#include <memory>
#include <vector>

#include "core/op.h"

namespace orthokit {

using Shape = std::vector<int64_t>;

// Throws ERR_SHAPE unless memory could hold such a tensor.
View view_of(void* data, const Shape&, Dtype, int device);

// True of a tensor beside whose bytes are others of its block. Only core asks, so the contract with
// backends has no name for it.
inline bool is_part(const View& v) { return v.reserved != 0; }

inline Shape shape_of(const View& v) { return Shape(v.shape, v.shape + v.rank); }

class Tensor {  // cheap to copy
 public:
  Tensor() = default;
  Tensor(View view, std::shared_ptr<void> owner) : view_(view), owner_(std::move(owner)) {}
  const View& view() const { return view_; }
  operator const View&() const { return view_; }
  size_t bytes() const { return size_t(view_.size()) * bytes_of(view_.dtype); }
  Tensor reshaped(const Shape&) const;  // shares the bytes; ERR_SHAPE unless as many elements
  // Shares the bytes of the rows before `to`, from `from` on; ERR_SHAPE unless they exist.
  Tensor rows(int64_t from, int64_t to) const;

 private:
  View view_;
  std::shared_ptr<void> owner_;
};

}  // namespace orthokit
