#include "cuda/rows.cuh"
#include "cuda/widened.cuh"
#include "math/philox.h"
#include "ops/rows/row_top_k.h"

namespace orthokit::cuda {

// An element's place in the order: a larger score first, of equal ones the first column.
struct Ranked {
  double score, column;
  __device__ bool before(const Ranked& other) const {
    return score > other.score || (score == other.score && column < other.column);
  }
};

template <class T>
struct TopOfRow {
  static constexpr int kBlocks = 2, kLongRowThreads = 512;  // more leave too few registers
  const T* x;
  int32_t* index;
  T* values;  // null: nobody asks
  int64_t columns, count, candidates;
  bool draws;
  double temperature;
  uint64_t seed, stream, offset;

  __device__ static double plain(T v) { return v != v ? double(INFINITY) : double(v); }
  __device__ double drawn(uint64_t first, int64_t column, double score) const {
    const uint64_t g = first + uint64_t(column);
    const math::PhiloxBlock block = math::philox(seed, stream, g / 4);
    uint32_t word = block.words[0];
#pragma unroll
    for (int k = 1; k < 4; ++k) word = g % 4 == uint64_t(k) ? block.words[k] : word;
    const double u = (double(word) + 0.5) * 0x1p-32;
    return score / temperature - log(-log(u));
  }
  // The first of those behind `last`. Score(j, v) gives −inf and false for what takes no part.
  template <class Team, class Score>
  __device__ Ranked next(const Team& team, const T* row, const Ranked& last,
                         const Score& score) const {
    Ranked best{-double(INFINITY), double(columns)};
    const auto take = [&](int64_t j, T v) {
      Ranked own{0, double(j)};
      if (score(j, v, own.score) && last.before(own) && own.before(best)) best = own;
    };
    team.visit(columns, take, row);
    const double most = team.template reduce<Max>(best.score);
    const double mine = best.score == most ? -best.column : -double(INFINITY);
    return {most, -team.template reduce<Max>(mine)};
  }
  template <class Team>
  __device__ void operator()(const Team& team, int64_t i) const {
    const T* row = x + i * columns;
    const uint64_t first = offset + uint64_t(i * columns);
    const Ranked start{double(INFINITY), -1};
    const auto by_value = [&](int64_t, T v, double& own) {
      own = plain(v);
      return true;
    };
    Ranked least = start;  // of those that take part
    if (draws && candidates < columns)
      for (int64_t k = 0; k < candidates; ++k) least = next(team, row, least, by_value);
    const bool all = candidates == columns;
    const auto by_draw = [&](int64_t j, T v, double& own) {
      own = plain(v);
      if (!all && least.before({own, double(j)})) return false;
      own = drawn(first, j, own);
      return true;
    };
    Ranked last = start;
    for (int64_t k = 0; k < count; ++k) {
      last = draws ? next(team, row, last, by_draw) : next(team, row, last, by_value);
      if (team.rank > 0) continue;
      index[i * count + k] = int32_t(last.column);
      if (values) values[i * count + k] = row[int64_t(last.column)];
    }
  }
};

static void row_top_k(const RowTopK& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  if (columns == 0) return;
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, rows, columns,
             TopOfRow<T>{op.x.as<T>(), op.index.as<int32_t>(), op.values.as<T>(), columns,
                         op.count(), op.candidates(), op.draws(), op.temperature, uint64_t(op.seed),
                         uint64_t(op.stream), uint64_t(op.offset)});
  });
}
ORTHOKIT_WIDE_KERNEL(RowTopK, row_top_k);

}  // namespace orthokit::cuda
