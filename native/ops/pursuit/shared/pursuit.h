// What the ways to run an orthogonal matching pursuit share.
#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

enum class OnDependent : int32_t { kSkip, kStop };
inline Words words(OnDependent) {
  static constexpr const char* list[] = {"skip", "stop"};
  return list;
}

// Atoms passed over at one step before a signal ends.
inline constexpr int kMostSkips = 8;

// What a signal's least squares keep, in f64: z of L z = D[I] y, then L packed by rows, with reciprocals
// on its diagonal.
constexpr int64_t support_doubles(int64_t most) { return most * (most + 1) / 2 + most; }

// What the algebra of `steps` steps takes, factor and substitutions.
inline double pursuit_algebra_flops(double steps) { return 2 * steps * steps * steps / 3; }

}  // namespace orthokit
