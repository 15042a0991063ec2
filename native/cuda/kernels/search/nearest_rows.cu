#include "cuda/convert.cuh"
#include "cuda/matrix.cuh"
#include "cuda/rows.cuh"
#include "cuda/tile.cuh"
#include "math/buckets.h"
#include "ops/search/nearest_rows.h"

namespace orthokit::cuda {
namespace {

// Rows are taken in slabs, and queries in shares, so that scratch memory grows with neither.
constexpr int64_t kSlabElements = 1 << 22, kMostSlab = 8192, kMostQueries = 1024;

// Rows as they are stored, from one of them on.
struct Table {
  const void* rows;
  const float* ranges;
  const uint8_t* rest;
  const float* rest_ranges;
  int64_t columns;

  Table(const NearestRows& op)
      : rows(op.rows.data),
        ranges(op.ranges.as<float>()),
        rest(op.residuals.as<uint8_t>()),
        rest_ranges(op.residual_ranges.as<float>()),
        columns(op.rows.shape[1]) {}
  // The most by which an element in f32 may differ from the stored one.
  template <class T>
  __device__ double left(int64_t row) const {
    if constexpr (!std::is_same_v<T, uint8_t>) return 0;
    const auto larger = [&](const float* ends) {
      const double low = fabs(double(ends[2 * row])), high = fabs(double(ends[2 * row + 1]));
      return low > high ? low : high;
    };
    return 0x1p-20 * larger(ranges) + (rest ? 1.001 * larger(rest_ranges) : 0);
  }
};

// Elements of a row in f64, or without its rest.
template <class T>
struct StoredRow {
  const T* x;
  __device__ StoredRow(const Table& table, int64_t row, bool)
      : x(static_cast<const T*>(table.rows) + row * table.columns) {}
  __device__ double operator[](int64_t j) const { return convert<double>(x[j]); }
};
template <>
struct StoredRow<uint8_t> {
  const uint8_t *codes, *rest;
  math::Bucket bucket, rest_bucket{};
  __device__ StoredRow(const Table& table, int64_t row, bool whole)
      : codes(static_cast<const uint8_t*>(table.rows) + row * table.columns),
        rest(whole && table.rest ? table.rest + row * table.columns : nullptr),
        bucket(bucket_of(table.ranges, row)) {
    if (rest) rest_bucket = bucket_of(table.rest_ranges, row);
  }
  __device__ static math::Bucket bucket_of(const float* ends, int64_t row) {
    return math::bucket_of(double(ends[2 * row]), double(ends[2 * row + 1]), 255);
  }
  __device__ double operator[](int64_t j) const {
    const double x = math::value_of(bucket, codes[j]);
    return rest ? x + math::value_of(rest_bucket, rest[j]) : x;
  }
};

template <class T>
struct WidenRow {
  Table table;
  int64_t first;
  float* out;
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    const StoredRow<T> own(table, first + row, false);
    Group<float, N> group;
#pragma unroll
    for (int i = 0; i < N; ++i) group.of[i] = float(own[at + i]);
    store_group(out + row * table.columns, at, group);
  }
};

// Rounding of sums in f32 over rows, and of what is made of them, relative to the norms; infinity
// where nothing is known.
__host__ __device__ double rounding_of(int64_t columns) {
  const double sum = double(columns + 32) * 0x1p-24;
  return sum < 0.5 ? sum / (1 - sum) : double(INFINITY);
}
// Squares of norms for which f32 neither overflows nor loses what is small.
__device__ bool is_in_range(double squares) { return squares >= 1e-30 && squares <= 1e30; }

// A row's norm, its half square, and how far its products may be off, by the query's norm;
// infinity where nothing is known.
struct RowFacts {
  double norm, half, slack;
};

template <class T>
struct FactsOfRow {
  Table table;
  int64_t first;
  const float* slab;
  RowFacts* facts;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t row) const {
    double mine = 0;
    team.visit(
        table.columns, [&](int64_t, float x) { mine += double(x) * double(x); },
        slab + row * table.columns);
    const double squares = team.sum(mine);
    if (team.rank > 0) return;
    const double rounding = rounding_of(table.columns), norm = sqrt(squares),
                 left = table.template left<T>(first + row) * sqrt(double(table.columns));
    if (is_in_range(squares))
      facts[row] = {norm, squares / 2 - 1.01 * (norm * left + left * left),
                    2.02 * (rounding * norm + left)};
    else
      facts[row] = {0, 0, double(INFINITY)};
  }
};

__global__ void __launch_bounds__(kTileThreads, 2)
    products_kernel(Side<float> queries, Side<float> rows, int64_t query_count, int64_t row_count,
                    int64_t depth, float* out) {
  using Product = TileProduct<float, kSmallTile, true, true>;
  const int64_t across = (row_count + kSmallTile - 1) / kSmallTile,
                down = (query_count + kSmallTile - 1) / kSmallTile;
  for (int64_t tile = blockIdx.x; tile < across * down; tile += gridDim.x) {
    const int64_t query = tile / across * kSmallTile, row = tile % across * kSmallTile;
    Product::run({queries, 0, query, query_count, 0}, {rows, 0, row, row_count, 0}, depth,
                 [&](const Slab<float, kSmallTile>& slab, bool is_first, bool) {
                   constexpr int kV = kChunk<float>;
                   slab.template each<false>([&](int r, int column, float(&values)[kV]) {
                     if (query + r >= query_count) return;
                     float* to = out + (query + r) * row_count + row + column;
#pragma unroll
                     for (int v = 0; v < kV; ++v)
                       if (row + column + v < row_count)
                         to[v] = is_first ? values[v] : to[v] + values[v];
                   });
                 });
  }
}

// The larger score first, of equal ones the lower row.
struct Near {
  double score, row;
  __device__ bool before(const Near& other) const {
    return score > other.score || (score == other.score && row < other.row);
  }
};

// Takes the rows of a slab from the one that may be the nearest on, scores each in f64, and ends
// where none that is left can be among the first.
template <class T>
struct NearestOfQuery {
  static constexpr int kBlocks = 2, kLongRowThreads = 512;
  Table table;
  Nearness metric;
  const float *queries, *products;
  const RowFacts* facts;
  int64_t first, rows, all, count;
  int32_t* index;
  double* scores;

  __device__ double most(float product, const RowFacts& row, double squares) const {
    const double norm = sqrt(squares), most = double(product) + norm * row.slack;
    double score = most;
    if (metric == Nearness::kCosine) score = most / (row.norm * norm);
    if (metric == Nearness::kL2)
      score = 2 * (most - row.half) - squares * (1 - 2 * rounding_of(table.columns));
    const bool known = is_in_range(squares) && row.slack < double(INFINITY);
    return known && score == score ? score : double(INFINITY);
  }
  template <class Team>
  __device__ double exact(const Team& team, const float* query, int64_t row, double squares) const {
    const StoredRow<T> stored(table, row, true);
    double product = 0, own = 0;
    for (int64_t j = team.rank; j < table.columns; j += Team::size) {
      const double q = double(query[j]), x = stored[j];
      product += metric == Nearness::kL2 ? (q - x) * (q - x) : q * x;
      own += x * x;
    }
    double score = team.sum(product);
    if (metric == Nearness::kL2) score = -score;
    if (metric == Nearness::kCosine) score /= sqrt(team.sum(own)) * sqrt(squares);
    return score == score ? score : -double(INFINITY);
  }
  // Into the list of the first `filled`.
  __device__ void insert(int64_t query, int64_t filled, const Near& next) const {
    double* own = scores + query * count;
    int32_t* names = index + query * count;
    int64_t at = filled < count ? filled : count - 1;
    if (filled == count && !next.before({own[at], double(names[at])})) return;
    for (; at > 0 && next.before({own[at - 1], double(names[at - 1])}); --at)
      own[at] = own[at - 1], names[at] = names[at - 1];
    own[at] = next.score, names[at] = int32_t(next.row);
  }
  template <class Team>
  __device__ void operator()(const Team& team, int64_t i) const {
    const float *query = queries + i * table.columns, *product = products + i * rows;
    double mine = 0;
    for (int64_t j = team.rank; j < table.columns; j += Team::size)
      mine += double(query[j]) * double(query[j]);
    const double squares = team.sum(mine);
    int64_t filled = first < count ? first : count;
    double least = filled == count ? scores[i * count + count - 1] : -double(INFINITY);
    Near last{double(INFINITY), -1};
    for (;;) {
      Near best{-double(INFINITY), double(rows)};
      for (int64_t j = team.rank; j < rows; j += Team::size) {
        const Near own{most(product[j], facts[j], squares), double(j)};
        if (last.before(own) && own.before(best)) best = own;
      }
      const double score = team.template reduce<Max>(best.score),
                   row = -team.template reduce<Max>(best.score == score ? -best.row
                                                                        : -double(INFINITY));
      if (row >= double(rows) || (filled == count && score < least)) break;
      last = {score, row};
      const int64_t found = first + int64_t(row);
      const double own = exact(team, query, found, squares);
      if (team.rank == 0) insert(i, filled, {own, double(found)});
      if (filled < count) ++filled;
      least = team.template reduce<Max>(
          team.rank == 0 && filled == count ? scores[i * count + count - 1] : -double(INFINITY));
    }
    if (team.rank == 0 && metric == Nearness::kL2 && first + rows == all)
      for (int64_t t = 0; t < count; ++t) scores[i * count + t] = -scores[i * count + t];
  }
};

template <class T>
void search(const NearestRows& op, Stream& stream) {
  const int64_t all = op.rows.shape[0], columns = op.rows.shape[1], count = op.count(),
                queries = op.queries.shape[0], share = std::min(kMostQueries, queries),
                slab =
                    std::min(all, std::clamp<int64_t>(kSlabElements / std::max<int64_t>(1, columns),
                                                      64, kMostSlab));
  constexpr bool kInPlace = std::is_same_v<T, float>;
  float *wide = kInPlace ? nullptr : stream.scratch<float>(slab * columns),
        *products = stream.scratch<float>(share * slab);
  auto* facts = stream.scratch<RowFacts>(slab);
  const Table table(op);
  for (int64_t first = 0; first < all; first += slab) {
    const int64_t rows = std::min(slab, all - first);
    const float* own = wide;
    if constexpr (kInPlace)
      own = op.rows.as<float>() + first * columns;
    else
      for_matrix(stream, rows, columns, WidenRow<T>{table, first, wide});
    for_rows(stream, rows, columns, FactsOfRow<T>{table, first, own, facts});
    for (int64_t from = 0; from < queries; from += share) {
      const int64_t some = std::min(share, queries - from);
      const float* query = op.queries.as<float>() + from * columns;
      const int64_t tiles = parts_of(some, kSmallTile) * parts_of(rows, kSmallTile);
      launch(stream, products_kernel, {blocks_for(tiles), kTileThreads},
             Side<float>(query, columns, 0), Side<float>(own, columns, 0), some, rows, columns,
             products);
      for_rows(stream, some, rows,
               NearestOfQuery<T>{table, op.metric, query, products, facts, first, rows, all, count,
                                 op.index.as<int32_t>() + from * count,
                                 op.scores.as<double>() + from * count});
    }
  }
}

}  // namespace

static void nearest_rows(const NearestRows& op, Stream& stream) {
  if (op.index.size() == 0) return;
  if (op.rows.dtype == Dtype::kF32)
    search<float>(op, stream);
  else if (op.rows.dtype == Dtype::kF16)
    search<Half>(op, stream);
  else
    search<uint8_t>(op, stream);
}
ORTHOKIT_KERNEL(NearestRows, nearest_rows);

}  // namespace orthokit::cuda
