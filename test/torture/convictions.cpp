// That the judge of results convicts: with one element a little wrong, however small it is, a result
// must not pass.
#include <algorithm>
#include <cmath>

#include "commands.h"
#include "oracle.h"

namespace orthokit::torture {
namespace {

constexpr double kWrong = 1e-3;  // relative; where 16 bits round, some roundings
constexpr double kRoundings = 16;
constexpr double kLeastShare = 0.95;
constexpr double kDigits = 0x1p20;  // of the smallest number: below it there are too few digits

// Of an element of this tensor. What a step keeps in 16 bits rounds all that follows from it.
double wrong_by(const Case& c, const bench::Operand& tensor) {
  double unit = 0;
  for (auto& o : c.operands())
    if (&o == &tensor || (o.role & kInOut) == kInOut)
      unit = std::max(unit, bench::unit_of(o.tensor.view().dtype));
  return unit > bench::unit_of(Dtype::kF32) ? kRoundings * unit : kWrong;
}

bool has_digits(double x, Dtype dtype) {
  const double least = bench::range_of(dtype).least;
  return std::isfinite(x) && std::abs(x) > kDigits * least;
}

struct Count {
  int64_t planted = 0, convicted = 0;
};

void plant(const OpEntry& entry, const std::string& flags, Device& device, Report& report,
           Count& count) {
  const auto c = bench::make_case(entry, device, flags);
  const auto& reference = reference_of(c->info());
  const bench::Bounds bounds(*c, reference, bench::joined_values(*c, c->read()));
  const double allowed = reference.growth(c->op()) * bench::arithmetic_unit(*c);
  if (!bounds.judge(bounds.expected()).passed)
    report.fail(1, entry.info->name, flags, "the reference itself does not pass");
  for (size_t o = 0; o < c->operands().size(); ++o) {
    const auto& operand = c->operands()[o];
    const auto& [elements, unit] = bounds.expected()[o];
    if (!(operand.role & kOut) || unit == 0) continue;
    const double wrong = wrong_by(*c, operand);
    if (allowed > wrong / 8) {  // the reference's own allowance
      report.count("coarse");
      continue;
    }
    size_t smallest = elements.size();  // of those whose bound is narrow enough
    for (size_t j = 0; j < elements.size(); ++j) {
      if (!has_digits(elements[j], operand.tensor.view().dtype)) continue;
      ++count.planted;
      if (wrong * std::abs(elements[j]) <= 1.01 * bounds.of(o, j)) continue;
      ++count.convicted;
      if (smallest == elements.size() || std::abs(elements[j]) < std::abs(elements[smallest]))
        smallest = j;
    }
    if (smallest == elements.size()) continue;
    auto actual = bounds.expected();
    actual[o].elements[smallest] *= 1 + wrong;
    if (bounds.judge(actual).passed)
      report.fail(1, entry.info->name, flags,
                  "a wrong element passes: " + operand.name + " " + std::to_string(smallest));
    report.count("smallest");
  }
}

}  // namespace

void check_convictions(Report& report) {
  const auto device = Device::open("cpu", 2);
  for (auto& entry : registry().ops) {
    Count count;
    for (auto flags : entry->info->examples) plant(*entry, flags, *device, report, count);
    report.count("planted", count.planted), report.count("convicted", count.convicted);
    if (double(count.convicted) < kLeastShare * double(count.planted))
      report.fail(1, entry->info->name, "",
                  "of " + std::to_string(count.planted) + " wrong elements only " +
                      std::to_string(count.convicted) + " are found");
  }
}

}  // namespace orthokit::torture
