// A number that may live on the device.
#pragma once
#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline double value_of(const Factor& f) {
  if (!f.by) return f.value;
  return f.value * visit(f.by.dtype, [&]<class T>() { return double(*f.by.as<T>()); });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
