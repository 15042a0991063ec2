// Demands of an instruction on a floating-point result beside its value.
#pragma once
#include <algorithm>
#include <cfenv>
#include <cfloat>
#include <cmath>

#include "ptx/program.h"

namespace cudaemu::ptx {

inline float flushed(float v, bool flush) {
  return flush && std::fabs(v) < FLT_MIN ? std::copysign(0.f, v) : v;
}
inline double flushed(double v, bool) { return v; }

template <class T>
T saturated(T v) {
  return v > 0 ? std::min(v, T(1)) : T(0);
}
template <class T>
T adjusted(const Instruction& i, T v) {
  v = flushed(v, i.flush);
  return i.saturate ? saturated(v) : v;
}

// While it lives, the host rounds that way.
class RoundingMode {
 public:
  explicit RoundingMode(Rounding rounding) {
    constexpr int kModes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    std::fesetround(kModes[int(rounding)]);
  }
  ~RoundingMode() { std::fesetround(FE_TONEAREST); }
};

// Volatile, so that nothing is computed before the mode is set.
template <class T, class F, class... A>
T rounded(Rounding rounding, A... arguments) {
  const RoundingMode mode(rounding);
  return [](volatile A... v) {
    volatile T result = F()(T(v)...);
    return T(result);
  }(arguments...);
}

}  // namespace cudaemu::ptx
