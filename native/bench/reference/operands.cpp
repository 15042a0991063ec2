#include "bench/reference/operands.h"

#include <bit>
#include <cstring>

#include "bench/values.h"

namespace orthokit::bench {
namespace {

struct Collect final : Fields {
  std::vector<OperandOfOp> found;
  void one(const char* name, int64_t index, int role, View& v) {
    if (v) found.push_back({name, index, role, &v});
  }
  void tensor(const char* n, int role, View& v) override { one(n, 0, role, v); }
  void tensors(const char* n, int role, List<View>& list) override {
    for (int64_t i = 0; i < list.count; ++i) one(n, i, role, list[i]);
  }
  void factor(const char* n, Factor& f) override { one(n, 0, kIn, f.by); }
  void factors(const char* n, List<Factor>& list) override {
    for (int64_t i = 0; i < list.count; ++i) one(n, i, kIn, list[i].by);
  }
};

}  // namespace

std::vector<OperandOfOp> operands_of(const OpInfo& info, void* op) {
  Collect collect;
  info.fields(op, collect);
  return std::move(collect.found);
}

CopyOfOp::CopyOfOp(const OpInfo& info, const void* op, std::vector<std::vector<double>> values)
    : packed_(pack(info, op)), values_(std::move(values)) {
  auto next = values_.begin();
  for (auto& operand : operands_of(info, packed_.data.get())) {
    next->reserve(1);  // a tensor without elements is there all the same
    operand.view->data = (next++)->data();
  }
}

double unit_of(Dtype dtype) {
  constexpr double units[] = {0x1p-24, 0x1p-53, 0x1p-11, 0x1p-8, 0, 0};
  return units[int(dtype)];
}

std::vector<Value> joined_values(const std::vector<StoredOperand>& operands) {
  std::vector<Value> all;
  for (auto& o : operands) all.push_back({decode(o.data, o.dtype), unit_of(o.dtype)});
  const auto is_half = [](const StoredOperand& o, std::string_view name) {
    return o.name == name && o.dtype == Dtype::kBf16;
  };
  for (size_t w = 0; w < operands.size(); ++w)
    for (size_t m = 0; m < operands.size(); ++m) {
      if (!is_half(operands[w], "weights") || !is_half(operands[m], "masters") ||
          operands[w].index != operands[m].index)
        continue;
      // The weights become f32 numbers; their low bits alone mean nothing.
      for (size_t i = 0; i < all[w].elements.size(); ++i) {
        uint16_t high, low;
        std::memcpy(&high, &operands[w].data[2 * i], 2);
        std::memcpy(&low, &operands[m].data[2 * i], 2);
        all[w].elements[i] = std::bit_cast<float>(uint32_t(high) << 16 | low);
      }
      all[w].unit = unit_of(Dtype::kF32);
      all[m] = {std::vector<double>(all[m].elements.size()), 0};
    }
  return all;
}

}  // namespace orthokit::bench
