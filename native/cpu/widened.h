// Kernels that compute in f32 or f64, on tensors of 16 bits: on f32 copies of them, rounded once.
#pragma once
#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "ops/shared/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class Op>
void in_wide(const Op& op, Stream& stream, void (*kernel)(const Op&, Stream&)) {
  Op wide = op;
  Widened<Stream> widened(stream);
  wide.fields(widened);
  for (const auto& copy : widened.copies())
    if (copy.read)
      for_rows(stream, copy.half.size(), 1, [&](int64_t begin, int64_t end) {
        load(copy.half, begin, end - begin, copy.wide.template as<float>() + begin);
      });
  kernel(wide, stream);
  for (const auto& copy : widened.copies())
    if (copy.written)
      for_rows(stream, copy.half.size(), 1, [&](int64_t begin, int64_t end) {
        store<float>(copy.half, begin, end - begin, copy.wide.template as<float>() + begin);
      });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA

// ORTHOKIT_KERNEL for a kernel that computes in f32 or f64, of an op that takes 16 bits too.
#define ORTHOKIT_WIDE_KERNEL(Op, kernel)                                                         \
  static void kernel##_of_any(const Op& op, Stream& stream) { in_wide<Op>(op, stream, kernel); } \
  ORTHOKIT_KERNEL(Op, kernel##_of_any)
