#include <numbers>

#include "cuda/widened.cuh"
#include "ops/network/rope.h"

namespace orthokit::cuda {

template <class T>
struct Turn {
  T cosine, sine;
};

// Of 2π `turn`. What is left of it beyond whole quarters goes into Taylor's series: sin() of the
// library has a stack for arguments of any size.
__device__ __forceinline__ void sine_and_cosine(double turn, double& sine, double& cosine) {
  const double part = turn - rint(turn), quarter = rint(4 * part);
  const double r = 2 * std::numbers::pi * (part - quarter / 4), square = r * r;
  double s = -1.0 / 1307674368000, c = 1.0 / 20922789888000;
#pragma unroll
  for (double k :
       {1.0 / 6227020800, -1.0 / 39916800, 1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6, 1.0})
    s = fma(s, square, k);
#pragma unroll
  for (double k : {-1.0 / 87178291200, 1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320, -1.0 / 720,
                   1.0 / 24, -0.5, 1.0})
    c = fma(c, square, k);
  s *= r;
  const int turns = int(quarter) & 3;  // two's complement: −1 is 3
  sine = turns == 0 ? s : turns == 1 ? c : turns == 2 ? -s : -c;
  cosine = turns == 0 ? c : turns == 1 ? -s : turns == 2 ? -c : s;
}

// The turn of each pair of a head, a row a position.
template <class T>
struct TurnsOfPosition {
  const int32_t* offsets;  // null: all sequences begin at one place
  int64_t offset, places, pairs;
  double base, sign;
  Turn<T>* out;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    const int64_t position = offset + row % places + (offsets ? offsets[row / places] : 0);
    for (int64_t k = at; k < at + N; ++k) {
      const double turn =
          double(position) * pow(base, -double(k) / double(pairs)) * (0.5 * std::numbers::inv_pi);
      double sine, cosine;
      sine_and_cosine(turn, sine, cosine);
      out[row * pairs + k] = {T(cosine), T(sign * sine)};
    }
  }
};

template <class T>
struct TurnRow {
  const T* x;
  const Turn<T>* turns;
  T* out;
  int64_t tables, pairs, turned, columns;
  bool interleaved;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    const Turn<T>* own = turns + row % tables * pairs;
    for (int64_t p = at; p < at + N; ++p) {
      const int64_t head = p / pairs, k = p - head * pairs;
      const int64_t begin = row * columns + head * 2 * pairs;
      const int64_t first = begin + (interleaved ? 2 * k : k),
                    second = interleaved ? first + 1 : first + pairs;
      const T a = x[first], b = x[second];
      const Turn<T> turn = own[k];
      const bool turns_it = head < turned;
      out[first] = turns_it ? a * turn.cosine - b * turn.sine : a;
      out[second] = turns_it ? a * turn.sine + b * turn.cosine : b;
    }
  }
};

static void rope(const Rope& op, Stream& stream) {
  const int64_t places = op.places(), pairs = op.width() / 2;
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  const int64_t tables = op.offsets ? rows : places;
  const double sign = op.turn == RopeTurn::kForward ? 1 : -1;
  visit(op.x.dtype, [&]<class T>() {
    auto* turns = stream.scratch<Turn<T>>(tables * pairs);
    for_matrix(stream, tables, pairs,
               TurnsOfPosition<T>{op.offsets.as<int32_t>(), op.offset, places, pairs, op.base, sign,
                                  turns});
    for_matrix(stream, rows, columns / 2,
               TurnRow<T>{op.x.as<T>(), turns, op.out.as<T>(), tables, pairs, op.turned_heads(),
                          columns, op.layout == RopeLayout::kInterleaved});
  });
}
ORTHOKIT_WIDE_KERNEL(Rope, rope);

}  // namespace orthokit::cuda
