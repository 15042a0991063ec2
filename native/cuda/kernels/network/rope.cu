#include <numbers>

#include "cuda/widened.cuh"
#include "ops/network/rope.h"

namespace orthokit::cuda {

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
  T *cosines, *sines;
  template <int N>
  __device__ void operator()(int64_t row, int64_t k) const {
    const int64_t position = offset + row % places + (offsets ? offsets[row / places] : 0);
    Group<T, N> own_cosines, own_sines;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const double turn = double(position) * pow(base, -double(k + i) / double(pairs)) *
                          (0.5 * std::numbers::inv_pi);
      double sine, cosine;
      sine_and_cosine(turn, sine, cosine);
      own_cosines.of[i] = T(cosine), own_sines.of[i] = T(sign * sine);
    }
    store_group(cosines, row * pairs + k, own_cosines);
    store_group(sines, row * pairs + k, own_sines);
  }
};

// A row of the matrix is a head, a column a pair of it.
template <class T>
struct TurnHead {
  const T *x, *cosines, *sines;
  T* out;
  int64_t tables, pairs, heads, turned;
  bool interleaved;
  template <int N>
  __device__ void operator()(int64_t head, int64_t k) const {
    const int64_t row = head / heads, turn = row % tables * pairs + k;
    const int64_t first = head * 2 * pairs + (interleaved ? 2 * k : k),
                  second = interleaved ? first + N : first + pairs;
    const Group<T, N> cosine = load_group<N>(cosines, turn), sine = load_group<N>(sines, turn);
    const Group<T, N> lower = load_group<N>(x, first), upper = load_group<N>(x, second);
    T left[N], right[N];
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const T a = interleaved ? at(lower, upper, 2 * i) : lower.of[i],
              b = interleaved ? at(lower, upper, 2 * i + 1) : upper.of[i];
      const bool turns_it = head - row * heads < turned;
      left[i] = turns_it ? a * cosine.of[i] - b * sine.of[i] : a;
      right[i] = turns_it ? a * sine.of[i] + b * cosine.of[i] : b;
    }
    Group<T, N> new_lower, new_upper;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const int j = N + i;
      new_lower.of[i] = !interleaved ? left[i] : i % 2 == 0 ? left[i / 2] : right[i / 2];
      new_upper.of[i] = !interleaved ? right[i] : j % 2 == 0 ? left[j / 2] : right[j / 2];
    }
    store_group(out, first, new_lower);
    store_group(out, second, new_upper);
  }

 private:
  // Element i of two groups that follow each other.
  template <int N>
  static __device__ __forceinline__ T at(const Group<T, N>& lower, const Group<T, N>& upper,
                                         int i) {
    return i < N ? lower.of[i] : upper.of[i - N];
  }
};

static void rope(const Rope& op, Stream& stream) {
  const int64_t places = op.places(), pairs = op.width() / 2;
  const int64_t rows = row_count(op.x);
  const int64_t tables = op.offsets ? rows : places;
  const double sign = op.turn == RopeTurn::kForward ? 1 : -1;
  visit(op.x.dtype, [&]<class T>() {
    T* cosines = stream.scratch<T>(tables * pairs);
    T* sines = stream.scratch<T>(tables * pairs);
    for_matrix(stream, tables, pairs,
               TurnsOfPosition<T>{op.offsets.as<int32_t>(), op.offset, places, pairs, op.base, sign,
                                  cosines, sines});
    for_matrix(stream, rows * op.heads, pairs,
               TurnHead<T>{op.x.as<T>(), cosines, sines, op.out.as<T>(), tables, pairs, op.heads,
                           op.turned_heads(), op.layout == RopeLayout::kInterleaved});
  });
}
ORTHOKIT_WIDE_KERNEL(Rope, rope);

}  // namespace orthokit::cuda
