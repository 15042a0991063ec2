#include "ops/elementwise/transpose.h"

#include "cpu/kernels/elementwise/shared/transposition.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class Bits>
static void transpose_bits(const Transposition& op, Stream& stream) {
  const int64_t rows = op.x.shape[op.x.rank - 2], columns = op.x.shape[op.x.rank - 1];
  const int64_t batch = op.x.rank == 3 ? op.x.shape[0] : 1;
  const int64_t bands = (rows + kTile<Bits> - 1) / kTile<Bits>;
  const bool streams =
      streams_to(op.out, op.out.as<Bits>()) && are_lines(rows * int64_t(sizeof(Bits)));
  stream.parallel(batch * bands, [&](int64_t part) {
    const int64_t at = part / bands * rows * columns;
    transpose_band(op.x.as<Bits>() + at, columns, op.out.as<Bits>() + at, rows, rows, columns,
                   part % bands * kTile<Bits>, streams);
  });
}

void transpose(const Transposition& op, Stream& stream) {
  visit_bits(op.x.dtype, [&]<class Bits>() { transpose_bits<Bits>(op, stream); });
}
ORTHOKIT_KERNEL(Transposition, transpose);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
