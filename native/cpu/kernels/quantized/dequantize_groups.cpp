#include "ops/quantized/dequantize_groups.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/kernels/quantized/shared/unpack.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void dequantize_groups(const DequantizeGroups& op, Stream& stream) {
  const int64_t columns = op.out.shape[1];
  const GroupedRows w(grouped(op.out.shape[0], columns, op.scales, op.bits), op.codes, op.scales);
  with_bits(op.bits, [&]<int bits>() {
    for_rows(stream, w.size.rows, columns, [&](int64_t begin, int64_t end) {
      float numbers[kBlock];
      for (int64_t row = begin; row < end; ++row)
        for (int64_t at = 0; at < columns; at += kBlock) {
          const int64_t n = std::min(kBlock, columns - at), place = row * columns + at;
          if (op.out.dtype == Dtype::kF32) {
            unpack<bits>(w, row, at, n, op.out.as<float>() + place);
            continue;
          }
          unpack<bits>(w, row, at, n, numbers);
          store(op.out, place, n, static_cast<const float*>(numbers));
        }
    });
  });
}
ORTHOKIT_KERNEL(DequantizeGroups, dequantize_groups);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
