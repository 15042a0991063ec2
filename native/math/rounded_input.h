// Numbers rounded to 8 bits in groups that share a scale.
#pragma once
#include <cmath>
#include <limits>

namespace orthokit::math {

inline constexpr float kInputLevels = 127;

// The scale of a group whose largest size is `most`; NaN where one of its numbers is not finite.
constexpr float input_scale(float most, bool is_finite) {
  return is_finite ? most / kInputLevels : std::numeric_limits<float>::quiet_NaN();
}

// A number as a multiple of the scale of its group, halves to even; 0 where the scale is 0 or NaN.
constexpr float input_level(float x, float scale) {
  if (!(scale > 0)) return 0;
  const float level = std::rint(x / scale);
  return level > kInputLevels ? kInputLevels : level < -kInputLevels ? -kInputLevels : level;
}

}  // namespace orthokit::math
