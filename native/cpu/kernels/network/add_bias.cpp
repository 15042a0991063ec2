#include "ops/network/add_bias.h"

#include "cpu/chunks.h"
#include "cpu/strips.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void add_bias(const AddBias& op, Stream& stream) {
  const int64_t rows = count_of_rows(op.x, op.bias), columns = op.bias.size();
  visit(op.x.dtype, [&]<class T>() {
    const T *x = op.x.as<T>(), *bias = op.bias.as<T>();
    T* out = op.out.as<T>();
    const bool streams = streams_to(op.out, out, x) && are_lines(columns * int64_t(sizeof(T)));
    for_rows(stream, rows, columns, [=](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        set_strips(
            columns, out + i * columns, streams,
            [=, row = x + i * columns](int64_t j) { return row[j] + bias[j]; }, x + i * columns);
    });
  });
}
ORTHOKIT_WIDE_KERNEL(AddBias, add_bias);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
