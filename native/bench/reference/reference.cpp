#include "bench/reference/reference.h"

#include <algorithm>
#include <limits>

namespace orthokit::bench {

std::vector<Reference>& reference_list() {
  static std::vector<Reference> list;
  return list;
}

const Reference* find_reference(const OpInfo& op) {
  const auto& list = reference_list();
  const auto at =
      std::ranges::find_if(list, [&](auto& r) { return std::string_view(r.op->name) == op.name; });
  return at == list.end() ? nullptr : &*at;
}

namespace {

Dice* moves = nullptr;
bool move_is_even = false;

}  // namespace

KeptIsMoved::KeptIsMoved(Dice& dice) {
  moves = &dice;
  move_is_even = !move_is_even;
}
KeptIsMoved::~KeptIsMoved() { moves = nullptr; }

double kept(const View& state, double x) {
  const bool is_half = state.dtype == Dtype::kF16;
  if (!moves || (!is_half && state.dtype != Dtype::kBf16)) return x;
  constexpr double most_half = 65504, least_half = 0x1p-24;
  if (is_half && std::abs(x) > most_half) return std::copysign(HUGE_VAL, x);
  const double by =
      is_half ? std::max(0x1p-11 * std::abs(x), least_half / 2) : 0x1p-8 * std::abs(x);
  return moves->chance(0.5) ? x + by : x - by;
}

double faint(Dtype dtype, double x) {
  const double least = dtype == Dtype::kF64 ? std::numeric_limits<double>::min()
                                            : double(std::numeric_limits<float>::min());
  return moves && std::abs(x) < least ? 0 : x;
}

double signed_sum(double a, double b, double rounding) {
  const double sum = a + b;
  const bool may_vanish = std::abs(sum) <= rounding * (std::abs(a) + std::abs(b));
  return moves && may_vanish && moves->chance(0.5) ? 0 : sum;
}

double remaining(double x, double by) { return !moves ? x : moves->chance(0.5) ? x + by : x - by; }

}  // namespace orthokit::bench
