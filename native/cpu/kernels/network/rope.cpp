#include "ops/network/rope.h"

#include <numbers>

#include "cpu/chunks.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Cosines, then sines, of the d / 2 angles of one position.
template <class T>
static void angles_of(const double* turns, int64_t pairs, int64_t position, double sign, T* out) {
  for (int64_t k = 0; k < pairs; ++k) {
    const double turn = double(position) * turns[k],
                 angle = 2 * std::numbers::pi * (turn - std::round(turn));
    out[k] = T(std::cos(angle)), out[pairs + k] = T(sign * std::sin(angle));
  }
}

template <class T>
static void turn_halves(const T* x, const T* angles, int64_t pairs, T* out) {
  const T *cosine = angles, *sine = angles + pairs;
  for (int64_t k = 0; k < pairs; ++k) {
    const T a = x[k], b = x[pairs + k];
    out[k] = a * cosine[k] - b * sine[k], out[pairs + k] = a * sine[k] + b * cosine[k];
  }
}
template <class T>
static void turn_neighbours(const T* x, const T* angles, int64_t pairs, T* out) {
  const T *cosine = angles, *sine = angles + pairs;
  for (int64_t k = 0; k < pairs; ++k) {
    const T a = x[2 * k], b = x[2 * k + 1];
    out[2 * k] = a * cosine[k] - b * sine[k], out[2 * k + 1] = a * sine[k] + b * cosine[k];
  }
}

template <class T>
static void rope(const Rope& op, Stream& stream) {
  const int64_t places = op.places(), width = op.width(), pairs = width / 2;
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  if (op.x.size() == 0) return;
  auto* turns = stream.scratch<double>(pairs);
  for (int64_t k = 0; k < pairs; ++k)
    turns[k] = std::pow(op.base, -2 * double(k) / double(width)) / (2 * std::numbers::pi);
  // Sequences that begin at one place share the angles.
  const int32_t* offsets = op.offsets.as<int32_t>();
  const int64_t tables = offsets ? rows : places;
  const double sign = op.turn == RopeTurn::kForward ? 1 : -1;
  auto* angles = stream.scratch<T>(tables * width);
  for_rows(stream, tables, 16 * width, [=, &op](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t own = offsets ? offsets[i / places] : 0;
      angles_of(turns, pairs, op.offset + own + i % places, sign, angles + i * width);
    }
  });
  for_rows(stream, rows, columns, [=, &op](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const T *x = op.x.as<T>() + i * columns, *own = angles + (offsets ? i : i % places) * width;
      T* out = op.out.as<T>() + i * columns;
      const int64_t end = op.turned_heads() * width;
      for (int64_t at = 0; at < end; at += width)
        op.layout == RopeLayout::kHalves ? turn_halves(x + at, own, pairs, out + at)
                                         : turn_neighbours(x + at, own, pairs, out + at);
      if (x != out) std::copy(x + end, x + columns, out + end);
    }
  });
}

void rope(const Rope& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() { rope<T>(op, stream); });
}
ORTHOKIT_WIDE_KERNEL(Rope, rope);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
