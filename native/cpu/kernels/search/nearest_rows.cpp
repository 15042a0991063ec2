#include "ops/search/nearest_rows.h"

#include <atomic>
#include <cmath>
#include <limits>
#include <new>

#include "cpu/best.h"
#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/row_tile.h"
#include "cpu/slots.h"
#include "math/buckets.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

constexpr int64_t kPartElements = 1 << 18;   // of a part of the rows, which a thread takes
constexpr int64_t kGroupElements = 1 << 14;  // of rows that stay in cache while queries pass
constexpr int64_t kMostGroup = 96;           // rows of a group
constexpr int64_t kWidth = kRowTileColumns<float>;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

int64_t parts_of(int64_t total, int64_t part) { return (total + part - 1) / part; }

// Rounding of sums in f32 over rows of d elements and of all that is made of them, relative to the
// product of the norms; infinity where nothing is known.
double rounding_of(int64_t d) {
  const double sum = double(d + 32) * 0x1p-24;
  return sum < 0.5 ? sum / (1 - sum) : HUGE_VAL;
}
// Squares of norms for which f32 neither overflows nor loses what is small.
bool is_in_range(double squares) { return squares >= 1e-30 && squares <= 1e30; }

// Elements of row i in f64 as they are stored.
template <class T>
struct StoredRow {
  const T* x;
  StoredRow(const NearestRows& op, int64_t i) : x(op.rows.as<T>() + i * op.rows.shape[1]) {}
  double operator[](int64_t j) const {
    if constexpr (std::is_same_v<T, Half>)
      return double(to_float(x[j]));
    else
      return double(x[j]);
  }
};
template <>
struct StoredRow<uint8_t> {
  const uint8_t *codes, *rest = nullptr;
  math::Bucket bucket, rest_bucket{};
  StoredRow(const NearestRows& op, int64_t i)
      : codes(op.rows.as<uint8_t>() + i * op.rows.shape[1]), bucket(bucket_of(op.ranges, i)) {
    if (!op.residuals) return;
    rest = op.residuals.as<uint8_t>() + i * op.rows.shape[1];
    rest_bucket = bucket_of(op.residual_ranges, i);
  }
  static math::Bucket bucket_of(const View& ranges, int64_t i) {
    const float* ends = ranges.as<float>() + 2 * i;
    return math::bucket_of(double(ends[0]), double(ends[1]), 255);
  }
  double operator[](int64_t j) const {
    const double x = math::value_of(bucket, codes[j]);
    return rest ? x + math::value_of(rest_bucket, rest[j]) : x;
  }
};

// Σ f(j) in eight sums, so that the order is the same on every instruction set.
template <class F>
double sum_of(int64_t n, const F& f) {
  double sums[8] = {};
  int64_t j = 0;
  for (; j + 8 <= n; j += 8)
    for (int64_t i = 0; i < 8; ++i) sums[i] += f(j + i);
  for (int64_t i = 0; j < n; ++i, ++j) sums[i] += f(j);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

// The score that counts: the larger, the nearer.
template <class T>
double exact_score(const NearestRows& op, const float* query, double query_squares, int64_t row) {
  const int64_t d = op.rows.shape[1];
  const StoredRow<T> x(op, row);
  double score;
  if (op.metric == Nearness::kL2) {
    score = -sum_of(d, [&](int64_t j) {
      const double gap = double(query[j]) - x[j];
      return gap * gap;
    });
  } else {
    score = sum_of(d, [&](int64_t j) { return double(query[j]) * x[j]; });
    if (op.metric == Nearness::kCosine)
      score /=
          std::sqrt(sum_of(d, [&](int64_t j) { return x[j] * x[j]; })) * std::sqrt(query_squares);
  }
  return score != score ? -HUGE_VAL : score;
}

// The first rows so far of one query, which all threads offer to.
struct Found {
  std::atomic<bool> taken{false};
  std::atomic<double> least{-HUGE_VAL};  // a row of a lower score is none of them
  Best best;
  double squares;  // of the query
  Found(Scored* items, int64_t k, double squares_) : best(items, k), squares(squares_) {}
  void offer(Scored next) {
    while (taken.exchange(true, std::memory_order_acquire)) {
    }
    best.offer(next);
    if (best.is_full()) least.store(best.least(), std::memory_order_relaxed);
    taken.store(false, std::memory_order_release);
  }
};

// Lowest products qᵀx in f32 of rows that may be among the first: no row is missed as long as
//   qᵀx < base + along · size + error · slack + shift
// holds for none of them, where base and along are the query's, size, slack and shift the row's.
struct Bars {
  float base[kWidth], along[kWidth], error[kWidth];

  void refuse(int64_t c) { base[c] = kInfinity, along[c] = error[c] = 0; }
  void set(int64_t c, const NearestRows& op, const Found& found) {
    const double squares = found.squares, norm = std::sqrt(squares),
                 least = found.least.load(std::memory_order_relaxed),
                 rounding = rounding_of(op.rows.shape[1]);
    base[c] = along[c] = error[c] = 0;
    if (squares != 0 && !is_in_range(squares)) {
      base[c] = -kInfinity;
      return;
    }
    error[c] = -float(norm);
    if (op.metric == Nearness::kDot) base[c] = float(least);
    if (op.metric == Nearness::kCosine) along[c] = float(least * norm);
    if (op.metric == Nearness::kL2)
      base[c] = float((least + squares) / 2 - rounding * (squares + std::abs(least)));
  }
};

struct RowFacts {
  float size, slack, shift;
};

// From the row as the products have it, and the most that an element of its rest may be.
RowFacts facts_of(const NearestRows& op, float squares, double rest) {
  if (!is_in_range(double(squares))) return {0, kInfinity, 0};
  const double d = double(op.rows.shape[1]), rounding = rounding_of(op.rows.shape[1]),
               norm = std::sqrt(double(squares)), left = rest * std::sqrt(d);
  const double shift =
      double(squares) / 2 - 1.01 * (rounding * double(squares) + norm * left + left * left);
  return {float(norm), float(2.02 * (rounding * norm + left)),
          op.metric == Nearness::kL2 ? float(shift) : 0.0f};
}

// Rows of a group in f32: in place, or in the buffer.
template <class T>
void load_rows(const NearestRows& op, int64_t first, int64_t rows, float* buffer,
               const float** pointers, double* rest) {
  const int64_t d = op.rows.shape[1];
  for (int64_t r = 0; r < rows; ++r) {
    const T* from = op.rows.as<T>() + (first + r) * d;
    rest[r] = 0;
    if constexpr (std::is_same_v<T, float>) {
      pointers[r] = from;
    } else {
      float* to = buffer + r * d;
      pointers[r] = to;
      if constexpr (std::is_same_v<T, Half>) {
        for (int64_t j = 0; j < d; ++j) to[j] = to_float(from[j]);
      } else {
        const float *ends = op.ranges.as<float>() + 2 * (first + r),
                    step = (ends[1] - ends[0]) / 255, low = ends[0];
        for (int64_t j = 0; j < d; ++j) to[j] = low + float(from[j]) * step;
        // Of the row's own rounding, and of what is not in its codes.
        rest[r] = 0x1p-21 * (std::abs(double(low)) + std::abs(double(ends[1])));
        if (!op.residuals) continue;
        const float* more = op.residual_ranges.as<float>() + 2 * (first + r);
        rest[r] += 1.001 * std::max(std::abs(double(more[0])), std::abs(double(more[1])));
      }
    }
  }
}

float sum_of_lanes(const Vector<float>& x) {
#ifdef __AVX512F__
  return _mm512_reduce_add_ps(__m512(x));
#else
  constexpr int kSize = kVectorSize<float>;
  float lanes[kSize];
  store<float>(x, lanes);
  for (int half = kSize / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
#endif
}

// out[c] = Σ x[j] · y[c · d + j] along the row: for few factors, whose tiles would be narrow.
template <int count>
void multiply_row(const float* x, const float* y, int64_t d, float* out) {
  constexpr int kSize = kVectorSize<float>;
  Vector<float> sums[count][2] = {}, own;
  int64_t j = 0;
  for (; j + 2 * kSize <= d; j += 2 * kSize)
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      load<float>(x + j + half * kSize, own);
#pragma GCC unroll 4
      for (int c = 0; c < count; ++c)
        add_product<float>(own, y + c * d + j + half * kSize, sums[c][half]);
    }
  for (int c = 0; c < count; ++c) {
    float sum = sum_of_lanes(sums[c][0] + sums[c][1]);
    for (int64_t i = j; i < d; ++i) sum += x[i] * y[c * d + i];
    out[c] = sum;
  }
}
constexpr int64_t kFew = 4;

float squares_of(const float* x, int64_t d) {
  float sum;
  multiply_row<1>(x, x, d, &sum);
  return sum;
}

template <class T>
class Search {
 public:
  Search(const NearestRows& op, Stream& stream)
      : op_(op),
        d_(op.rows.shape[1]),
        queries_(op.queries.shape[0]),
        group_(std::clamp<int64_t>(kGroupElements / std::max<int64_t>(1, d_), 1, kMostGroup)),
        found_(stream.scratch<Found>(queries_)),
        packed_(stream.scratch<float>(parts_of(queries_, kWidth) * d_ * kWidth)) {
    const int64_t k = op.count();
    auto* items = stream.scratch<Scored>(queries_ * k);
    for (int64_t i = 0; i < queries_; ++i) {
      const float* query = query_of(i);
      const auto square = [&](int64_t j) { return double(query[j]) * double(query[j]); };
      new (found_ + i) Found(items + i * k, k, sum_of(d_, square));
    }
    pack();
  }

  void run(Stream& stream) {
    const int64_t rows = op_.rows.shape[0],
                  part =
                      parts_of(std::max(group_, kPartElements / std::max<int64_t>(1, d_)), group_) *
                      group_;
    const bool copies = !std::is_same_v<T, float>;
    const SlotsOf<float> slots(stream, copies ? group_ * d_ : 1);
    stream.parallel(parts_of(rows, part), [&](int64_t index) {
      if (stream.is_given_up()) return;
      slots.borrow([&](float* buffer) {
        const int64_t end = std::min(rows, (index + 1) * part);
        for (int64_t first = index * part; first < end; first += group_)
          visit_group(first, std::min(group_, end - first), buffer);
      });
    });
    for (int64_t i = 0; i < queries_; ++i) {
      Best& best = found_[i].best;
      best.sort();
      int64_t at = i * op_.count();
      for (const Scored& one : best) {
        op_.index.as<int32_t>()[at] = int32_t(one.column);
        op_.scores.as<double>()[at] = op_.metric == Nearness::kL2 ? -one.score : one.score;
        ++at;
      }
    }
  }

 private:
  const float* query_of(int64_t i) const { return op_.queries.as<float>() + i * d_; }
  // Element j of all queries of a tile side by side.
  void pack() {
    for (int64_t first = 0; first < queries_; first += kWidth) {
      const int64_t count = std::min(kWidth, queries_ - first);
      float* tile = packed_ + first * d_;
      const int64_t width = whole_vectors<float>(count);
      for (int64_t j = 0; j < d_; ++j)
        for (int64_t c = 0; c < width; ++c)
          tile[j * width + c] = c < count ? query_of(first + c)[j] : 0;
    }
  }
  void visit_group(int64_t first, int64_t rows, float* buffer) {
    const float* pointers[kMostGroup];
    double rest[kMostGroup];
    RowFacts facts[kMostGroup];
    load_rows<T>(op_, first, rows, buffer, pointers, rest);
    for (int64_t r = 0; r < rows; ++r)
      facts[r] = facts_of(op_, squares_of(pointers[r], d_), rest[r]);
    for (int64_t query = 0; query < queries_; query += kWidth)
      visit_tile(first, rows, query, pointers, facts);
  }
  // products[r, c] for the queries of a tile.
  void multiply(int64_t rows, int64_t query, int64_t count, int64_t width,
                const float* const* pointers, float* products) const {
    if (count <= kFew) {
      std::fill_n(products, rows * width, 0.0f);
      return with_rows<int(kFew)>(
          count, [&]<int n>() __attribute__((always_inline)) {
            for (int64_t r = 0; r < rows; ++r)
              multiply_row<n>(pointers[r], query_of(query), d_, products + r * width);
          });
    }
    const int64_t vectors = width / kVectorSize<float>;
    const Segments inner{kNoOffset, 1, d_};
    for_row_tiles(rows, vectors, [&](int64_t at, int64_t height) {
      row_tile<float, SumsFrom::kZero, true>(height, vectors, pointers + at, inner,
                                             packed_ + query * d_, width, products + at * width,
                                             width);
    });
  }
  void visit_tile(int64_t first, int64_t rows, int64_t query, const float* const* pointers,
                  const RowFacts* facts) {
    const int64_t count = std::min(kWidth, queries_ - query), width = whole_vectors<float>(count);
    alignas(64) float products[kMostGroup * kWidth];
    multiply(rows, query, count, width, pointers, products);
    alignas(64) Bars bars;
    for (int64_t c = 0; c < width; ++c)
      c < count ? bars.set(c, op_, found_[query + c]) : bars.refuse(c);
    for (int64_t r = 0; r < rows; ++r) {
      const float* own = products + r * width;
      const auto [size, slack, shift] = facts[r];
      const auto is_far = [&](int64_t c) {
        return own[c] < bars.base[c] + bars.along[c] * size + bars.error[c] * slack + shift;
      };
      int32_t near = 0;
      for (int64_t c = 0; c < width; ++c) near += is_far(c) ? 0 : 1;  // NaN is not far
      if (near == 0) continue;
      for (int64_t c = 0; c < count; ++c) {
        if (is_far(c)) continue;
        Found& found = found_[query + c];
        const double score = exact_score<T>(op_, query_of(query + c), found.squares, first + r);
        if (score < found.least.load(std::memory_order_relaxed)) continue;
        found.offer({score, first + r});
        bars.set(c, op_, found);
      }
    }
  }

  const NearestRows& op_;
  const int64_t d_, queries_, group_;
  Found* found_;
  float* packed_;
};

}  // namespace

void nearest_rows(const NearestRows& op, Stream& stream) {
  if (op.index.size() == 0) return;
  if (op.rows.dtype == Dtype::kF32)
    Search<float>(op, stream).run(stream);
  else if (op.rows.dtype == Dtype::kF16)
    Search<Half>(op, stream).run(stream);
  else
    Search<uint8_t>(op, stream).run(stream);
}
ORTHOKIT_KERNEL(NearestRows, nearest_rows);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
