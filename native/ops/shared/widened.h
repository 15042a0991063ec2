// An operation whose f16 and bf16 tensors are replaced by f32 copies.
#pragma once
#include <deque>
#include <vector>

#include "core/op.h"

namespace orthokit {

template <class Stream>
class Widened final : public Fields {
 public:
  struct Copy {
    View half, wide;
    bool read, written;
  };
  explicit Widened(Stream& stream) : stream_(stream) {}
  const std::vector<Copy>& copies() const { return copies_; }

 private:
  void tensor(const char*, int role, View& v) override { replace(role, v); }
  void tensors(const char*, int role, List<View>& list) override {
    bool any = false;
    for (auto& v : list) any |= is_half(v.dtype);
    if (!any) return;
    auto& items = lists_.emplace_back(list.begin(), list.end());
    for (auto& v : items) replace(role, v);
    list = {items.data(), list.count};
  }
  void replace(int role, View& v) {
    if (!v || !is_half(v.dtype)) return;
    View wide = v;
    wide.dtype = Dtype::kF32;
    wide.data = stream_.template scratch<float>(v.size());
    copies_.push_back({v, wide, (role & kIn) != 0, (role & kOut) != 0});
    v = wide;
  }
  Stream& stream_;
  std::vector<Copy> copies_;
  std::deque<std::vector<View>> lists_;  // the host's: a stream's scratch is the device's
};

}  // namespace orthokit
