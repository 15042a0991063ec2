#include "bench/bounds.h"

#include <algorithm>
#include <limits>

#include "bench/dice.h"

namespace orthokit::bench {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kMoves = 9, kMovesOfOperands = 3;  // the first moves take each operand as a whole
// Beyond so many flops, where they are so many an element, a reference that names terms of this
// case is not moved: their rounding is known.
constexpr double kMany = 2e6, kManyAnElement = 64;

bool names_terms(const std::vector<std::vector<double>>& terms) {
  return std::ranges::any_of(terms, [](const std::vector<double>& of_tensor) {
    return std::ranges::any_of(of_tensor, [](double term) { return term > 0; });
  });
}

double elements_of(const Case& c) {
  double elements = 0;
  for (auto& operand : c.operands()) elements += double(operand.tensor.view().size());
  return elements;
}

bool is_same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

double largest_of(const std::vector<double>& values) {
  double largest = 0;
  for (double x : values)
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
  return largest;
}

// Inputs by up to `most`, relative. Which way and how far is chance, so that moves of two equal
// terms do not cancel; or the way is that of the whole operand, which chance may fail to do.
std::vector<Value> moved(const Case& c, std::vector<Value> inputs, double most, int number,
                         Dice& dice) {
  for (size_t o = 0; o < inputs.size(); ++o) {
    const auto& operand = c.operands()[o];
    if (!is_floating(operand.tensor) || operand.name == "guard") continue;
    for (double& x : inputs[o].elements) {
      const bool is_whole = number < kMovesOfOperands;
      const bool up = is_whole ? (o >> number) % 2 == 0 : dice.chance(0.5);
      const double by = is_whole ? most : most * (1 - dice.part() / 2);
      x *= up ? 1 + by : 1 - by;
    }
  }
  return inputs;
}

}  // namespace

Range range_of(Dtype dtype) {
  constexpr Range ranges[] = {{0x1.fffffep127, 0x1p-149},
                              {std::numeric_limits<double>::max(), 0x1p-1074},
                              {65504, 0x1p-24},
                              {0x1.fep127, 0x1p-133},
                              {kInfinity, 0},
                              {kInfinity, 0}};
  return ranges[int(dtype)];
}

Bounds::Bounds(const Case& c, const Reference& reference, const std::vector<Value>& before)
    : case_(c), growth_(reference.growth(c.op())) {
  const double u = arithmetic_unit(c);
  auto result = reference_run(c, reference, before);
  expected_ = std::move(result.values);
  const bool is_long = c.flops() > std::max(kMany, kManyAnElement * elements_of(c));
  const bool is_known = reference.named == Named::kAll ||
                        (reference.named == Named::kTerms && is_long && names_terms(result.terms));
  const int moves = is_known ? 0 : kMoves;
  for (size_t o = 0; o < expected_.size(); ++o) {
    const bool judged = c.operands()[o].role & kOut;
    const size_t size = judged ? expected_[o].elements.size() : 0;
    bounds_.emplace_back(size, 0.0), unsteady_.emplace_back(size, false);
  }
  if (growth_ == 0) return;
  Dice dice(1);
  for (int i = 0; i < moves; ++i) {
    const KeptIsMoved keep(dice);
    const auto near = reference_values(c, reference, moved(c, before, growth_ * u, i, dice));
    for (size_t o = 0; o < near.size(); ++o)
      for (size_t j = 0; j < bounds_[o].size(); ++j) {
        const double a = expected_[o].elements[j], b = near[o].elements[j];
        if (is_same(a, b)) continue;
        const double distance = std::abs(a - b);  // NaN, unless both are finite
        if (std::isfinite(distance))
          bounds_[o][j] = std::max(bounds_[o][j], distance);
        else
          unsteady_[o][j] = true;
      }
  }
  for (size_t o = 0; o < expected_.size(); ++o) {
    const auto& terms = result.terms[o];
    // An f64 that is computed in f32 is no finer than that.
    const double unit = expected_[o].unit,
                 least = std::max(range_of(c.operands()[o].tensor.view().dtype).least,
                                  range_of(arithmetic_dtype(c)).least);
    for (size_t j = 0; j < bounds_[o].size(); ++j) {
      double& bound = bounds_[o][j];
      const double size = std::abs(expected_[o].elements[j]);
      const double term = terms.empty() ? 0 : terms[j];
      // By an infinite term any number would do: the element is judged by its size, or waived.
      const bool is_bounded = std::isfinite(term);
      if (term == kUnsteady || !is_bounded) unsteady_[o][j] = true;
      if (unit == 0 || !std::isfinite(size)) {
        bound = 0;
        continue;
      }
      const double off = 2 * bound + growth_ * u * (is_bounded ? std::max(size, term) : size);
      bound = off + unit * (size + off) + subnormal_bound(least);
    }
  }
}

// Of numbers that have no digits to round: some of the smallest one.
double Bounds::subnormal_bound(double least) const { return std::max(2.0, growth_) * least; }

Verdict Bounds::judge(const std::vector<Value>& expected, const std::vector<Value>& actual,
                      double times) const {
  Verdict verdict;
  double furthest = -1;
  for (size_t o = 0; o < actual.size(); ++o) {
    const auto& operand = case_.operands()[o];
    if (!(operand.role & kOut)) continue;
    const auto [most, least] = range_of(operand.tensor.view().dtype);
    const double wide = kWide * largest_of(expected[o].elements),
                 subnormal = subnormal_bound(least);
    verdict.elements += int64_t(actual[o].elements.size());
    for (size_t j = 0; j < actual[o].elements.size(); ++j) {
      const double a = expected[o].elements[j], b = actual[o].elements[j];
      const double limit = times * bounds_[o][j];
      if (limit - times * subnormal > std::max(wide, kWide * std::abs(a))) ++verdict.wide;
      // A result past the end of its dtype is infinite.
      const bool is_past = std::isinf(b) && std::signbit(a) == std::signbit(b) &&
                           std::abs(std::clamp(a, -most, most)) + limit >= most;
      const double error = is_same(a, b) || is_past ? 0 : std::abs(a - b);
      const bool within = error <= limit;
      if (!within && unsteady_[o][j]) {
        ++verdict.waived;
        continue;
      }
      const double share = within ? (limit > 0 ? error / limit : 0) : kInfinity;
      if (share <= furthest) continue;
      furthest = share;
      verdict.tensor = operand.name, verdict.element = j;
      verdict.expected = a, verdict.actual = b, verdict.error = error, verdict.limit = limit;
      verdict.passed = within;
    }
  }
  return verdict;
}

Verdict Bounds::judge(const std::vector<Value>& actual) const {
  return judge(expected_, actual, 1);
}

Verdict Bounds::judge(const std::vector<Value>& one, const std::vector<Value>& other) const {
  return judge(one, other, 2);
}

}  // namespace orthokit::bench
