#pragma once
#include "core/op.h"

namespace orthokit {

enum class MomentumForm : int32_t { kEma, kHeavyBall };
inline Words words(MomentumForm) {
  static constexpr const char* list[] = {"ema", "heavy-ball"};
  return list;
}

// ema: m ← β m + (1−β) g, look-ahead β m + (1−β) g;  heavy-ball: m ← β m + (1−dampening) g,
// look-ahead g + β m.
inline constexpr double kMomentumFlops = 3;  // of an element
struct MomentumRule {
  double momentum = 0, dampening = 0;
  bool nesterov = false;
  MomentumForm form = MomentumForm::kEma;

  double flops() const { return kMomentumFlops * (nesterov ? 2 : 1); }
  constexpr double fresh() const {
    return form == MomentumForm::kEma ? 1 - momentum : 1 - dampening;
  }
  constexpr double look_ahead() const { return form == MomentumForm::kEma ? 1 - momentum : 1; }
};

enum class Nesterov : int32_t { kOff, kOn };
inline Words words(Nesterov) {
  static constexpr const char* list[] = {"off", "on"};
  return list;
}

}  // namespace orthokit
