#include "bench/compare.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

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

// The largest difference relative to the largest element. Statistics are sums of different things:
// each by itself.
double error_of(const Operand& operand, const Vector& expected, const Vector& actual) {
  const bool exact = !is_floating(operand.tensor), single = operand.name == "statistics";
  double largest = 0, worst = 0;
  for (double x : expected)
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
  for (size_t i = 0; i < expected.size(); ++i) {
    const double a = expected[i], b = actual[i];
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (!std::isfinite(a) || !std::isfinite(b)) return std::numeric_limits<double>::infinity();
    const double scale = exact ? 1 : single ? std::abs(a) : largest;
    worst = std::max(worst, std::abs(a - b) / scale);
  }
  return worst;
}

}  // namespace

std::vector<Value> joined_values(const Case& c, const std::vector<Bytes>& data) {
  auto all = values_of(c, data);
  join_halves(c, data, all);
  return all;
}

Verdict compare(const Case& c, const std::vector<Value>& expected, const std::vector<Value>& actual,
                double growth) {
  Verdict verdict;
  double furthest = -1;
  for (size_t i = 0; i < actual.size(); ++i) {
    const Operand& operand = c.operands()[i];
    if (!(operand.role & kOut)) continue;
    const double unit = expected[i].unit, storage = unit > unit_of(Dtype::kF32) ? 2 * unit : 0;
    const double limit = growth == 0 || unit == 0 ? 0 : growth * arithmetic_unit(c) + storage;
    const double error = error_of(operand, expected[i].elements, actual[i].elements);
    const double share = limit > 0   ? error / limit
                         : error > 0 ? std::numeric_limits<double>::infinity()
                                     : 0;
    if (share <= furthest) continue;
    furthest = share;
    verdict = {operand.name, "", error, limit, error <= limit};
  }
  return verdict;
}

std::vector<Value> reference_values(const Case& c, const Reference& reference,
                                    std::vector<Value> all, bool exact) {
  std::vector<Vector> elements;
  for (auto& v : all) elements.push_back(v.elements);
  CopyOfCase copy(c, std::move(elements));
  reference.run(copy.op());
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].elements = copy.values()[i];
    const Dtype dtype = c.operands()[i].tensor.view().dtype;
    if (exact) all[i].elements = decode(encode(all[i].elements, dtype), dtype);
  }
  return all;
}

std::string changed_input(const Case& c, const std::vector<Bytes>& before,
                          const std::vector<Bytes>& after) {
  for (size_t i = 0; i < before.size(); ++i)
    if (!(c.operands()[i].role & kOut) && before[i] != after[i])
      return c.operands()[i].name + " was changed";
  return "";
}

}  // namespace orthokit::bench
