#include "bench/results.h"

#include <bit>
#include <cstring>

#include "bench/reference/copy_of_case.h"
#include "bench/values.h"

namespace orthokit::bench {

double unit_of(Dtype dtype) {
  constexpr double units[] = {0x1p-24, 0x1p-53, 0x1p-11, 0x1p-8, 0, 0};
  return units[int(dtype)];
}

double arithmetic_unit(const Case& c) {
  for (auto& o : c.operands())
    if (is_floating(o.tensor) && o.tensor.view().dtype != Dtype::kF64) return unit_of(Dtype::kF32);
  return unit_of(Dtype::kF64);
}

namespace {

using Vector = std::vector<double>;

std::vector<Value> values_of(const Case& c, const std::vector<Bytes>& data) {
  std::vector<Value> all;
  for (size_t i = 0; i < data.size(); ++i) {
    const Dtype dtype = c.operands()[i].tensor.view().dtype;
    all.push_back({decode(data[i], dtype), unit_of(dtype)});
  }
  return all;
}

// Masters in bf16 are the low bits of f32 numbers: the weights become these numbers, the low bits
// alone mean nothing.
void join_halves(const Case& c, const std::vector<Bytes>& data, std::vector<Value>& all) {
  const auto& operands = c.operands();
  const auto is_half = [&](size_t i, const char* name) {
    return operands[i].name == name && operands[i].tensor.view().dtype == Dtype::kBf16;
  };
  for (size_t w = 0; w < operands.size(); ++w)
    for (size_t m = 0; m < operands.size(); ++m) {
      if (!is_half(w, "weights") || !is_half(m, "masters") ||
          operands[w].index != operands[m].index)
        continue;
      for (size_t i = 0; i < all[w].elements.size(); ++i) {
        uint16_t high, low;
        std::memcpy(&high, &data[w][2 * i], 2), std::memcpy(&low, &data[m][2 * i], 2);
        all[w].elements[i] = std::bit_cast<float>(uint32_t(high) << 16 | low);
      }
      all[w].unit = unit_of(Dtype::kF32);
      all[m] = {Vector(all[m].elements.size()), 0};
    }
}

}  // namespace

std::vector<Value> joined_values(const Case& c, const std::vector<Bytes>& data) {
  auto all = values_of(c, data);
  join_halves(c, data, all);
  return all;
}

ReferenceRun reference_run(const Case& c, const Reference& reference, std::vector<Value> all) {
  const bool exact = reference.growth(c.op()) == 0;
  std::vector<Vector> elements;
  for (auto& v : all) elements.push_back(std::move(v.elements));
  CopyOfCase copy(c, std::move(elements));
  reference.run(copy.op());
  ReferenceRun run{std::move(all), {}};
  for (size_t i = 0; i < run.values.size(); ++i) {
    const auto& operand = c.operands()[i];
    const Dtype dtype = operand.tensor.view().dtype;
    auto& now = run.values[i].elements;
    now = std::move(copy.values()[i]);  // the buffers stay where they are
    auto& terms = run.terms.emplace_back();
    if (exact) now = decode(encode(now, dtype), dtype);
    if (exact || !reference.terms || !(operand.role & kOut)) continue;
    for (size_t j = 0; j < now.size(); ++j)
      terms.push_back(reference.terms(copy.op(), operand.name, int64_t(j)));
  }
  return run;
}

std::string changed_input(const Case& c, const std::vector<Bytes>& before,
                          const std::vector<Bytes>& after) {
  for (size_t i = 0; i < before.size(); ++i)
    if (!(c.operands()[i].role & kOut) && before[i] != after[i])
      return c.operands()[i].name + " was changed";
  return "";
}

}  // namespace orthokit::bench
