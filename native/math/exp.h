// Constants of exponentials that are computed by powers of two.
#pragma once

namespace orthokit::math {

// exp(x) counts as 0 below the first, where it would be subnormal, and as infinite above the
// second.
inline constexpr double kLeastExponent = -708, kMostExponent = 709;

// ln 2 in two parts: a whole number times the first is exact.
inline constexpr double kLogTwo = 0x1.62e42fee00000p-1, kLogTwoRest = 0x1.a39ef35793c76p-33;
inline constexpr float kFloatLogTwo = 0x1.62e400p-1f, kFloatLogTwoRest = 0x1.7f7d1cp-20f;

}  // namespace orthokit::math
