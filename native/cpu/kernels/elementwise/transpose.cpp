#include "ops/elementwise/transpose.h"

#include <algorithm>

#include "cpu/square.h"
#include "cpu/streaming.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The side of a tile: a line of x's rows becomes lines of out's. More rows than these are more than
// the processor fetches ahead.
template <class Bits>
inline constexpr int64_t kTile = kLine / sizeof(Bits);

template <class Bits>
static void transpose_any(const Bits* x, int64_t columns, int64_t height, int64_t width, Bits* out,
                          int64_t rows) {
  for (int64_t i = 0; i < height; ++i)
    for (int64_t j = 0; j < width; ++j) out[j * rows + i] = x[i * columns + j];
}

template <class Bits>
static void transpose_tile(const Bits* x, int64_t columns, Bits* out, int64_t rows, bool streams) {
  alignas(kLine) Bits tile[kTile<Bits>][kTile<Bits>];
  for (int64_t i = 0; i < kTile<Bits>; i += kSide<Bits>)
    for (int64_t j = 0; j < kTile<Bits>; j += kSide<Bits>)
      transpose_square(x + i * columns + j, columns, &tile[j][i], kTile<Bits>);
  for (int64_t j = 0; j < kTile<Bits>; ++j) {
    if (streams)
      stream_lines(out + j * rows, tile[j], sizeof tile[j]);
    else
      std::memcpy(out + j * rows, tile[j], sizeof tile[j]);
  }
}

// Rows `top` … `top` + kTile − 1 of x.
template <class Bits>
static void transpose_band(const Bits* x, Bits* out, int64_t rows, int64_t columns, int64_t top,
                           bool streams) {
  const int64_t height = std::min(kTile<Bits>, rows - top);
  for (int64_t left = 0; left < columns; left += kTile<Bits>) {
    const int64_t width = std::min(kTile<Bits>, columns - left);
    const Bits* from = x + top * columns + left;
    Bits* to = out + left * rows + top;
    if (height == kTile<Bits> && width == kTile<Bits>)
      transpose_tile(from, columns, to, rows, streams);
    else
      transpose_any(from, columns, height, width, to, rows);
  }
  finish_streams();
}

template <class Bits>
static void transpose_bits(const Transposition& op, Stream& stream) {
  const int64_t rows = op.x.shape[op.x.rank - 2], columns = op.x.shape[op.x.rank - 1];
  const int64_t batch = op.x.rank == 3 ? op.x.shape[0] : 1;
  const int64_t bands = (rows + kTile<Bits> - 1) / kTile<Bits>;
  const bool streams = int64_t(bytes_in(op.out)) > kBeyondCaches && is_line(op.out.data) &&
                       rows * int64_t(sizeof(Bits)) % kLine == 0;
  stream.parallel(batch * bands, [&](int64_t part) {
    const int64_t at = part / bands * rows * columns;
    transpose_band(op.x.as<Bits>() + at, op.out.as<Bits>() + at, rows, columns,
                   part % bands * kTile<Bits>, streams);
  });
}

void transpose(const Transposition& op, Stream& stream) {
  switch (bytes_of(op.x.dtype)) {
    case 1:
      return transpose_bits<uint8_t>(op, stream);
    case 2:
      return transpose_bits<uint16_t>(op, stream);
    case 4:
      return transpose_bits<uint32_t>(op, stream);
    default:
      return transpose_bits<uint64_t>(op, stream);
  }
}
ORTHOKIT_KERNEL(Transposition, transpose);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
