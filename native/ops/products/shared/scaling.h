#pragma once
#include "core/op.h"

namespace orthokit {

// How singular values come to 1 or below. frobenius: x over its norm. With A = x xᵀ of the short
// side of that, schatten4: over ‖A‖^½; aol: rows of the short side over (Σⱼ|Aᵢⱼ|)^½.
enum class NsScaling : int32_t { kFrobenius, kSchatten4, kAol };
inline Words words(NsScaling) {
  static constexpr const char* list[] = {"frobenius", "schatten4", "aol"};
  return list;
}

}  // namespace orthokit
