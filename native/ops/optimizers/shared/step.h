#pragma once
#include <cmath>

#include "core/op.h"
#include "ops/shared/arithmetic.h"

// Timing cases: 29.5 million parameters in 148 tensors, as a small transformer has them.
#define ORTHOKIT_TRANSFORMER                                                    \
  "f32[20480x384],f32[1024x384],f32[384x1152]*12,f32[1152]*12,f32[384x384]*12," \
  "f32[384]*12,f32[384x1536]*12,f32[1536]*12,f32[1536x384]*12,f32[384]*62"

namespace orthokit {

enum class WeightDecayMode : int32_t { kDecoupled, kIndependent, kL2, kPalm, kCautious };
inline Words words(WeightDecayMode) {
  static constexpr const char* list[] = {"decoupled", "independent", "l2", "palm", "cautious"};
  return list;
}

// Shared fields of every optimizer step on a list of parameters: w ← keep · w − rate · u, where u
// is the method's direction.
//   decoupled keep = 1 − lr·decay   independent 1 − decay   palm 1 − decay·lr²   l2: g ← g +
//   decay·w instead
//   cautious: w ← w − lr·decay·w where w·u ≥ 0
// Weights, gradients and state may be of any floating dtype; the arithmetic is f32, or f64 for f64
// weights.
struct Step {
  List<View> weights, grads;
  // Of weights in 16 bits: f32 copies that are stepped in their place, or (bf16 weights) the 16 low
  // bits of an f32 whose high bits are the weight, stored as bf16. Empty: none.
  List<View> masters;
  View guard;       // f64[1]: if not 0, the step changes nothing (check_finite)
  View statistics;  // f64[weights, 3]: Σg², Σ(rate·u)², the method's own number
  // Of steps with finished updates (finished_updates.h):
  View grad_squares;             // f64[weights]: the Σg² to note; none: of `grads`
  List<double> statistics_rows;  // the row of each weight; empty: in order
  double lr = 0, weight_decay = 0;
  WeightDecayMode weight_decay_mode = WeightDecayMode::kDecoupled;

  int64_t statistics_row(int64_t weight) const {
    return statistics_rows.count > 0 ? int64_t(statistics_rows[weight]) : weight;
  }
  double bytes() const { return 2 * bytes_in(weights) + 2 * bytes_in(masters) + bytes_in(grads); }
  // `direction`: what the method does to an element before w ← keep · w − rate · u and what goes
  // with it: both sums of squares of the statistics, the decay of gradients or its condition.
  double flops(double direction) const {
    double n = 0;
    for (auto& w : weights) n += double(w.size());
    return n * (direction + 3 + (statistics ? 4 : 0) + (l2() != 0 || cautious() != 0 ? 2 : 0));
  }
  // The step of one parameter alone; borrows from this one.
  Step only(int64_t i) const {
    Step one = *this;
    one.weights = {&weights[i], 1}, one.grads = {&grads[i], 1};
    if (masters.count > 0) one.masters = {&masters[i], 1};
    if (!statistics) return one;
    one.statistics.data = statistics.as<double>() + 3 * i;
    one.statistics.rank = 1, one.statistics.shape[0] = 3;
    return one;
  }

  double keep() const {
    switch (weight_decay_mode) {
      case WeightDecayMode::kDecoupled:
        return 1 - lr * weight_decay;
      case WeightDecayMode::kIndependent:
        return 1 - weight_decay;
      case WeightDecayMode::kPalm:
        return 1 - weight_decay * lr * lr;
      default:
        return 1;
    }
  }
  double l2() const { return weight_decay_mode == WeightDecayMode::kL2 ? weight_decay : 0; }
  double cautious() const {
    return weight_decay_mode == WeightDecayMode::kCautious ? lr * weight_decay : 0;
  }

  void operands(Fields& f) {
    f.inout("weights", weights), f.in("grads", grads), f.inout("masters", masters, kOptional);
    f.in("guard", guard, kOptional), f.out("statistics", statistics, kOptional);
  }
  void values(Fields& f) {
    f.value("lr", lr), f.value("weightDecay", weight_decay),
        f.value("weightDecayMode", weight_decay_mode);
  }
  void check(auto require) const {
    require(grads.count == weights.count, ErrorCode::kArgument, "grads must be as many as weights",
            double(grads.count));
    require(masters.count == 0 || masters.count == weights.count, ErrorCode::kArgument,
            "masters must be as many as weights, or none", double(masters.count));
    for (int64_t i = 0; i < weights.count; ++i) {
      require(is_floating(weights[i]), ErrorCode::kDtype, "weights must be floating", weights[i]);
      check_like(require, "grads must be like weights", grads, i);
    }
    check_masters(require);
    if (guard) require.array("guard must be f64[1]", guard, Dtype::kF64, 1);
    require(!statistics || statistics.dtype == Dtype::kF64, ErrorCode::kDtype,
            "statistics must be f64", statistics);
    const bool has_rows = statistics_rows.count > 0 && statistics.size() % 3 == 0;
    require(!statistics || has_rows || statistics.size() == 3 * weights.count, ErrorCode::kShape,
            "statistics must have three elements a weight", statistics);
    require(std::isfinite(lr), ErrorCode::kArgument, "lr must be finite", lr);
    require(std::isfinite(weight_decay), ErrorCode::kArgument, "weightDecay must be finite",
            weight_decay);
  }
  void check_masters(auto require) const {
    for (int64_t i = 0; i < masters.count; ++i) {
      check_like(require, "masters must be like weights", masters, i);
      const Dtype of = weights[i].dtype, master = masters[i].dtype;
      const bool whole = master == Dtype::kF32 && (of == Dtype::kF16 || of == Dtype::kBf16);
      const bool split = master == Dtype::kBf16 && of == Dtype::kBf16;
      require(whole || split, ErrorCode::kDtype, "masters must be f32, or bf16 for bf16 weights",
              masters[i]);
    }
  }
  // State and gradients: floating, one a weight, of its shape.
  void check_like(auto require, const char* what, const List<View>& list, int64_t i) const {
    require(is_floating(list[i]), ErrorCode::kDtype, what, list[i]);
    require(same_shape(list[i], weights[i]), ErrorCode::kShape, what, list[i], "weights",
            weights[i]);
  }
  void check_state(auto require, const char* what, const List<View>& list) const {
    require(list.count == weights.count, ErrorCode::kArgument, what, double(list.count));
    for (int64_t i = 0; i < list.count; ++i) check_like(require, what, list, i);
  }
  // Counters on the device: a step that the guard holds back does not count.
  void check_steps(auto require, const List<View>& steps) const {
    require(steps.count == weights.count, ErrorCode::kArgument, "steps must be as many as weights",
            double(steps.count));
    for (auto& s : steps) require.array("steps must be i32[1] each", s, Dtype::kI32, 1);
  }
};

inline void check_fraction(auto require, const char* what, double x) {
  require(x >= 0 && x < 1, ErrorCode::kArgument, what, x);
}

}  // namespace orthokit
