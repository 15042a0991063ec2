// Every op on its own examples: the CPU against the references, other devices against the CPU.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <limits>

#include "bench/commands.h"
#include "bench/json.h"
#include "bench/reference/copy_of_case.h"
#include "bench/reference/reference.h"
#include "bench/values.h"

namespace orthokit::bench {
namespace {

constexpr int kOtherThreads = 3;  // no divisor of the usual counts of chunks

double unit_of(Dtype dtype) {  // half the distance of neighbours, relative; 0: exact
  constexpr double units[] = {0x1p-24, 0x1p-53, 0x1p-11, 0x1p-8, 0, 0};
  return units[int(dtype)];
}

// f64 where every floating operand is, else f32.
double arithmetic_unit(const Case& c) {
  for (auto& o : c.operands())
    if (is_floating(o.tensor) && o.tensor.view().dtype != Dtype::kF64) return unit_of(Dtype::kF32);
  return unit_of(Dtype::kF64);
}

using Vector = std::vector<double>;
struct Value {
  Vector elements;
  double unit;
};

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

std::vector<Value> joined_values(const Case& c, const std::vector<Bytes>& data) {
  auto all = values_of(c, data);
  join_halves(c, data, all);
  return all;
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

struct Verdict {
  std::string tensor, reason;
  double error = 0, limit = 0;
  bool passed = true;
};

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

// What the reference makes of a case; rounded to the tensors' dtypes where the op is exact.
std::vector<Value> reference_values(const Case& c, const Reference& reference,
                                    const std::vector<Bytes>& before, bool exact) {
  auto all = joined_values(c, before);
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

Verdict failed(const std::string& reason) { return {"", reason, 0, 0, false}; }

std::string changed_input(const Case& c, const std::vector<Bytes>& before,
                          const std::vector<Bytes>& after) {
  for (size_t i = 0; i < before.size(); ++i)
    if (!(c.operands()[i].role & kOut) && before[i] != after[i])
      return c.operands()[i].name + " was changed";
  return "";
}

struct Devices {
  std::shared_ptr<Device> cpu, other;
  bool own_reference;  // the device is the CPU itself, and `other` has more threads
};

Verdict verify_case(const OpEntry& entry, const std::string& flags, const Devices& devices) {
  const Reference* reference = find_reference(*entry.info);
  if (!reference) return failed("there is no reference");
  auto on_cpu = make_case(entry, *devices.cpu, flags),
       on_other = make_case(entry, *devices.other, flags);
  const double growth = reference->growth(on_cpu->op());
  const auto before = on_cpu->read();
  on_cpu->run(), on_other->run();
  const auto after = on_cpu->read(), after_other = on_other->read();
  if (auto what = changed_input(*on_other, before, after_other); !what.empty()) return failed(what);
  const auto actual = joined_values(*on_cpu, after);
  if (!devices.own_reference)
    return compare(*on_other, actual, joined_values(*on_other, after_other), growth);
  if (after != after_other) return failed("the bits depend on the number of threads");
  return compare(*on_cpu, reference_values(*on_cpu, *reference, before, growth == 0), actual,
                 growth);
}

}  // namespace

int verify(const Options& options) {
  const int threads = options.device.starts_with("cuda") ? 0 : kOtherThreads;
  Devices devices{Device::open("cpu", 1), Device::open(options.device, threads), false};
  devices.own_reference = devices.other->kind() == Kind::kCpu;
  bool all_passed = true;
  for (auto& entry : registry().ops)
    for (auto example : entry->info->examples) {
      Verdict verdict;
      caught([&] { verdict = verify_case(*entry, example, devices); },
             [&](ErrorCode, const char* what, int32_t) { verdict = failed(what); });
      all_passed = all_passed && verdict.passed;
      JsonLine line;
      line.text("op", entry->info->name).text("case", example).text("device", options.device);
      line.text("against", devices.own_reference ? "reference" : "cpu");
      if (!verdict.tensor.empty()) line.text("tensor", verdict.tensor);
      if (verdict.reason.empty())
        line.number("error", verdict.error).number("limit", verdict.limit);
      if (!verdict.reason.empty()) line.text("reason", verdict.reason);
      std::printf("%s\n", line.word("passed", verdict.passed).str().c_str());
      std::fflush(stdout);
    }
  return all_passed ? 0 : 1;
}

}  // namespace orthokit::bench
