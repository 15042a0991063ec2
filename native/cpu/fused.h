// a · b + c, rounded once where the processor has an instruction for it.
#pragma once
#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

#ifdef __FMA__
inline constexpr bool kHasFused = true;
#else
inline constexpr bool kHasFused = false;
#endif

inline float fused(float a, float b, float c) {
#ifdef __FMA__
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
inline double fused(double a, double b, double c) {
#ifdef __FMA__
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
