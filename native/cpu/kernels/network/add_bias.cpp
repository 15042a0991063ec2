#include "ops/network/add_bias.h"

#include "cpu/chunks.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void add_bias(const AddBias& op, Stream& stream) {
  const int64_t rows = count_of_rows(op.x, op.bias), columns = op.bias.size();
  visit(op.x.dtype, [&]<class T>() {
    const T *x = op.x.as<T>(), *bias = op.bias.as<T>();
    T* out = op.out.as<T>();
    for_rows(stream, rows, columns, [=](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        for (int64_t j = 0; j < columns; ++j) out[i * columns + j] = x[i * columns + j] + bias[j];
    });
  });
}
ORTHOKIT_WIDE_KERNEL(AddBias, add_bias);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
