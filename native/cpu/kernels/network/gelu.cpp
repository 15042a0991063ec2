#include "ops/network/gelu.h"

#include "cpu/chunks.h"
#include "cpu/gelu.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class Form, class T>
static void gelu(const Gelu& op, Stream& stream) {
  const T* x = op.x.as<T>();
  T* out = op.out.as<T>();
  for_rows(stream, op.x.size(), 1, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) out[i] = Form::value(x[i]);
  });
}

void gelu(const Gelu& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    op.form == GeluForm::kErf ? gelu<ErfGelu, T>(op, stream) : gelu<TanhGelu, T>(op, stream);
  });
}
ORTHOKIT_WIDE_KERNEL(Gelu, gelu);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
