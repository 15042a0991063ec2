#include "ops/network/gelu_backward.h"

#include "cpu/ask_for.h"
#include "cpu/chunks.h"
#include "cpu/for_vectors.h"
#include "cpu/gelu.h"
#include "cpu/gelu_floats.h"
#include "cpu/streaming.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class Form, bool adds, class T>
static void gelu_backward(const GeluBackward& op, Stream& stream) {
  const T *grad = op.grad.as<T>(), *x = op.x.as<T>();
  T* out = op.out.as<T>();
  [[maybe_unused]] const bool streams = !adds && streams_to(op.out, out, grad, x);
  for_rows(stream, op.x.size(), 1, [=](int64_t first, int64_t last) {
#ifdef __AVX512F__
    if constexpr (sizeof(T) == 4)
      return for_vectors<float>(last - first, [=](int64_t j, auto size) {
        Vector<float> v, g;
        ask_ahead(x + first + j), ask_ahead(grad + first + j);
        load_part(x + first + j, size, 0.0f, v);
        load_part(grad + first + j, size, 0.0f, g);
        GeluFloats<Form>::slope(v, v);
        v *= g;
        if constexpr (adds) {
          load_part(out + first + j, size, 0.0f, g);
          v += g;
        } else if constexpr (!std::is_same_v<decltype(size), int>) {
          if (streams) return stream_vector<float>(v, out + first + j);
        }
        store_part(v, size, out + first + j);
      });
#endif
    for (int64_t i = first; i < last; ++i) {
      const T result = grad[i] * Form::slope(x[i]);
      out[i] = adds ? result + out[i] : result;
    }
  });
}

void gelu_backward(const GeluBackward& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    const auto run = [&]<bool adds>() {
      op.form == GeluForm::kErf ? gelu_backward<ErfGelu, adds, T>(op, stream)
                                : gelu_backward<TanhGelu, adds, T>(op, stream);
    };
    op.beta == 0 ? run.template operator()<false>() : run.template operator()<true>();
  });
}
ORTHOKIT_WIDE_KERNEL(GeluBackward, gelu_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
