#include "ops/gather/gather_rows.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void gather_rows(const GatherRows& op, Stream& stream) {
  const int64_t rows = op.x.shape[0], size = op.row_size();
  const int32_t* index = op.index.as<int32_t>();
  visit_storage(op.x.dtype, [&]<class T>() {
    for_rows(stream, op.index.size(), size, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        T* out = op.out.as<T>() + i * size;
        if (index[i] >= 0 && index[i] < rows)
          std::copy_n(op.x.as<T>() + index[i] * size, size, out);
        else
          std::fill_n(out, size, convert<T>(std::numeric_limits<double>::quiet_NaN()));
      }
    });
  });
}
ORTHOKIT_KERNEL(GatherRows, gather_rows);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
