#include "oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "dice.h"

namespace orthokit::torture {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kMoves = 9, kMovesOfOperands = 3;

// How far an input may be moved: as far as the arithmetic rounds, and as far as state is rounded where
// the op goes on with what it has stored.
double move_of(const Case& c, double growth) {
  double move = growth * bench::arithmetic_unit(c);
  for (auto& o : c.operands()) {
    const bool is_state = (o.role & kInOut) == kInOut && o.name != "weights" && o.name != "masters";
    if (is_state) move = std::max(move, bench::unit_of(o.tensor.view().dtype));
  }
  return move;
}

// What the results round like where that is larger than they are: the terms cancel by construction.
double magnitude_of(const Case& c, const std::vector<bench::Value>& inputs,
                    const std::vector<bench::Value>& expected) {
  const std::string_view name = c.info().name;
  if (name == "softmin") {
    // Exponents round by what they are, and all points being far moves none of them by itself.
    double largest = 0;
    for (size_t o = 0; o < expected.size(); ++o)
      if (c.operands()[o].name == "log_sums")
        for (double x : expected[o].elements)
          if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
    return largest / 64;
  }
  // The logarithm of a sum of exponentials, 1 or more.
  if (name == "row_logsumexp" || name == "softmax_cross_entropy") return 1;
  // Two columns become −1 and 1 whatever they are, so their gradient is near 0; of three or four, often.
  if (name != "layer_norm_backward" || c.operands()[1].tensor.view().shape[1] > 4) return 0;
  double grad = 0;
  for (double g : inputs[0].elements) grad = std::max(grad, std::abs(g));
  return grad / std::sqrt(1e-5);  // the default eps bounds the slope
}

// The largest finite number and the smallest positive one.
struct Range {
  double most, least;
};
Range range_of(Dtype dtype) {
  constexpr Range ranges[] = {{0x1.fffffep127, 0x1p-149},
                              {std::numeric_limits<double>::max(), 0x1p-1074},
                              {65504, 0x1p-24},
                              {0x1.fep127, 0x1p-133},
                              {kInfinity, 0},
                              {kInfinity, 0}};
  return ranges[int(dtype)];
}

bool is_same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

std::string text_of(double x) {
  char digits[40];
  std::snprintf(digits, sizeof digits, "%.17g", x);
  return digits;
}

}  // namespace

Oracle::Oracle(const Case& c, const std::vector<Bytes>& before) : before_(before) {
  const bench::Reference* reference = bench::find_reference(c.info());
  if (!reference) throw Error(ErrorCode::kState, std::string(c.info().name) + " has no reference");
  growth_ = reference->growth(c.op());
  const auto inputs = bench::joined_values(c, before);
  expected_ = bench::reference_values(c, *reference, inputs, growth_ == 0);
  magnitude_ = magnitude_of(c, inputs, expected_);
  for (auto& value : expected_) moved_.emplace_back(value.elements.size(), 0.0);
  if (growth_ == 0) return;
  const double move = move_of(c, growth_);
  Dice dice(1);
  for (int i = 0; i < kMoves; ++i) {
    auto near = inputs;
    for (size_t o = 0; o < near.size(); ++o) {
      const auto& operand = c.operands()[o];
      if (!is_floating(operand.tensor) || operand.name == "guard") continue;
      // Some moves take an operand as a whole against others, which chance may fail to do.
      for (double& x : near[o].elements) {
        const bool up = i < kMovesOfOperands ? (o >> i) % 2 == 0 : dice.chance(0.5);
        x *= up ? 1 + move : 1 - move;
      }
    }
    const auto other = bench::reference_values(c, *reference, std::move(near), false);
    for (size_t o = 0; o < other.size(); ++o)
      for (size_t j = 0; j < other[o].elements.size(); ++j) {
        const double a = expected_[o].elements[j], b = other[o].elements[j];
        if (is_same(a, b)) continue;
        const double distance = std::abs(a - b);  // NaN, unless both are finite
        double& most = moved_[o][j];
        most = std::isfinite(distance) ? std::max(most, distance) : kInfinity;
      }
  }
}

std::string Oracle::judge(const Case& c, const std::vector<bench::Value>& expected,
                          const std::vector<Bytes>& after) const {
  if (auto name = bench::changed_input(c, before_, after); !name.empty()) return name;
  const auto actual = bench::joined_values(c, after), before = bench::joined_values(c, before_);
  for (size_t o = 0; o < actual.size(); ++o) {
    const auto& operand = c.operands()[o];
    if (!(operand.role & kOut)) continue;
    const auto [most, least] = range_of(operand.tensor.view().dtype);
    const double unit = expected[o].unit;
    const bool single = operand.name == "statistics";  // sums of different things
    double largest = magnitude_;
    for (double x : expected[o].elements)
      if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
    for (size_t j = 0; j < actual[o].elements.size(); ++j) {
      const double a = expected[o].elements[j], b = actual[o].elements[j];
      if (is_same(a, b)) continue;
      double allowed = 0;
      if (growth_ > 0 && unit > 0)
        allowed = growth_ * bench::arithmetic_unit(c) * (single ? std::abs(a) : largest) +
                  std::max(2.0, growth_) * least + 2 * (unit * std::abs(a) + moved_[o][j]);
      const double nearest = std::clamp(a, -most, most);  // a result past the end is infinite
      if (std::isinf(b) && std::signbit(a) == std::signbit(b) &&
          std::abs(nearest) + allowed >= most)
        continue;
      if (std::abs(a - b) <= allowed || allowed == kInfinity) continue;
      std::string of;  // what stood at the same place
      for (size_t k = 0; k < before.size(); ++k)
        if (before[k].elements.size() == actual[o].elements.size())
          of += " " + c.operands()[k].name + " " + text_of(before[k].elements[j]);
      return operand.name + "[" + std::to_string(operand.index) + "] element " + std::to_string(j) +
             ": expected " + text_of(a) + ", got " + text_of(b) + ", allowed " + text_of(allowed) +
             ", from" + of;
    }
  }
  return "";
}

std::string Oracle::judge(const Case& c, const std::vector<Bytes>& after) const {
  return judge(c, expected_, after);
}

std::string Oracle::judge(const Case& c, const std::vector<Bytes>& one,
                          const std::vector<Bytes>& other) const {
  return judge(c, bench::joined_values(c, one), other);
}

}  // namespace orthokit::torture
