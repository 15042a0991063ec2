#include "ops/network/gelu.h"

#include "cpu/ask_for.h"
#include "cpu/chunks.h"
#include "cpu/for_vectors.h"
#include "cpu/gelu.h"
#include "cpu/gelu_floats.h"
#include "cpu/streaming.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class Form, class T>
static void set_gelu(const T* x, int64_t n, T* out, [[maybe_unused]] bool streams) {
#ifdef __AVX512F__
  if constexpr (sizeof(T) == 4) {
    const auto run = [=](const auto put) {
      for_vectors<float>(n, [=](int64_t j, auto size) {
        Vector<float> v;
        ask_ahead(x + j);
        load_part(x + j, size, 0.0f, v);
        GeluFloats<Form>::value(v, v);
        put(v, size, out + j);
      });
    };
    if (streams && n % kVectorSize<float> == 0)
      run([](const Vector<float>& v, auto, float* to) { stream_vector<float>(v, to); });
    else
      run([](const Vector<float>& v, auto size, float* to) { store_part(v, size, to); });
    return;
  }
#endif
  for (int64_t i = 0; i < n; ++i) out[i] = Form::value(x[i]);
}

template <class Form, class T>
static void gelu(const Gelu& op, Stream& stream) {
  const T* x = op.x.as<T>();
  T* out = op.out.as<T>();
  const bool streams = streams_to(op.out, out, x);
  for_rows(stream, op.x.size(), 1, [=](int64_t first, int64_t last) {
    set_gelu<Form>(x + first, last - first, out + first, streams);
  });
}

void gelu(const Gelu& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() {
    op.form == GeluForm::kErf ? gelu<ErfGelu, T>(op, stream) : gelu<TanhGelu, T>(op, stream);
  });
}
ORTHOKIT_WIDE_KERNEL(Gelu, gelu);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
