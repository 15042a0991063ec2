// Costs of pairs of points, a tile of them at a time.
#pragma once
#include <algorithm>
#include <cmath>

#include "cpu/fused.h"
#include "cpu/kernels/transport/shared/slope_tile.h"
#include "cpu/stream.h"
#include "ops/transport/shared/distances.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// A cost has the same bits wherever its pair lies in a tile, and when x and y change places.
template <class T>
class PointPairs {
 public:
  static constexpr int64_t kRows = 16,
                           kColumns = 384;  // of a tile: multiples of what lies in registers
  static constexpr int64_t kDepth = 128;  // coordinates at once: a panel of them stays in the cache
  static_assert(kRows % kPairRows == 0 && kColumns % kPairColumns == 0);

  PointPairs(Stream& stream, const View& x, const View& y, Metric metric)
      : x_(x.as<T>()), n_(x.shape[0]), m_(y.shape[0]), dimension_(x.shape[1]), metric_(metric) {
    const bool multiplies = multiplies_coordinates(metric, dimension_);
    if (multiplies) centre_ = centre_of(stream, x, y);
    panels_ = stream.scratch<double>(padded(m_) * dimension_);
    if (multiplies) squares_ = stream.scratch<double>(padded(m_));
    const int64_t panels = padded(m_) / kPairColumns;
    stream.parallel((panels + kPanelsAtOnce - 1) / kPanelsAtOnce, [&](int64_t group) {
      const int64_t last = std::min(panels, (group + 1) * kPanelsAtOnce);
      for (int64_t p = group * kPanelsAtOnce; p < last; ++p)
        pack_panel(y.as<T>(), p * kPairColumns);
    });
  }

  // Some points of x, and what is packed of them for the tiles of a row.
  struct Packed {
    alignas(64) double coordinates[kRows * kDepth];
    bool is_whole = false;  // all coordinates of all points
  };
  struct Rows {
    Rows(int64_t first_, int64_t count_) : first(first_), count(count_) {}
    int64_t first, count;
    Packed as_they_are, about_centre;
    double squares[kRows];  // about the centre
  };

  // costs[r · kColumns + c] of rows and `columns` of y from j, a multiple of kPairColumns, on;
  // kRows and kColumns at most. What lies beyond them in a tile is written, too.
  void fill(Rows& rows, int64_t j, int64_t columns, double* costs) const {
    if (centre_) return fill_products(rows, j, columns, costs);
    if (metric_ == Metric::kL1)
      sum<AbsoluteTerm>(rows, 0, rows.count, j, columns, costs, kColumns, nothing);
    else
      sum<SquareTerm>(rows, 0, rows.count, j, columns, costs, kColumns, nothing);
    if (metric_ == Metric::kEuclidean)
      for (int64_t r = 0; r < rows.count; ++r)
        for (int64_t c = 0; c < columns; ++c)
          costs[r * kColumns + c] = std::sqrt(costs[r * kColumns + c]);
  }

  // In place of a row of costs, what their pairs' slopes are multiplied by, of these weights.
  void weigh_slopes(const double* weights, int64_t columns, double* costs) const {
    if (metric_ == Metric::kEuclidean)
      for (int64_t c = 0; c < columns; ++c) costs[c] = costs[c] > 0 ? weights[c] / costs[c] : 0;
    else
      for (int64_t c = 0; c < columns; ++c)
        costs[c] = metric_ == Metric::kL1 ? weights[c] : 2 * weights[c];
    std::fill_n(costs + columns, padded(columns) - columns, 0.0);
  }
  // gradients[r · dimension + k] += Σ weight ∂C/∂xₖ over the pairs of a tile.
  void add_slopes(const Rows& rows, int64_t j, int64_t columns, const double* weights,
                  double* gradients) const {
    if (metric_ == Metric::kL1)
      add_slopes<SignSlope>(rows, j, columns, weights, gradients);
    else
      add_slopes<DifferenceSlope>(rows, j, columns, weights, gradients);
  }

 private:
  using Mask __attribute__((vector_size(kVectorBytes))) = int64_t;
  static constexpr int64_t kPanelsAtOnce = 16, kPointsAtOnce = 1024;

  static int64_t padded(int64_t points) {
    return (points + kPairColumns - 1) / kPairColumns * kPairColumns;
  }

  // The mean of all points.
  static double* centre_of(Stream& stream, const View& x, const View& y) {
    const int64_t d = x.shape[1];
    double *of_x = sum_of_points(stream, x), *of_y = sum_of_points(stream, y);
    for (int64_t k = 0; k < d; ++k) of_x[k] = (of_x[k] + of_y[k]) / double(x.shape[0] + y.shape[0]);
    return of_x;
  }
  static double* sum_of_points(Stream& stream, const View& points) {
    const int64_t n = points.shape[0], d = points.shape[1];
    const int64_t blocks = std::max<int64_t>(1, (n + kPointsAtOnce - 1) / kPointsAtOnce);
    double* sums = stream.scratch<double>(blocks * d);
    stream.parallel(blocks, [&](int64_t block) {
      double* sum = sums + block * d;
      std::fill_n(sum, d, 0.0);
      const int64_t last = std::min(n, (block + 1) * kPointsAtOnce);
      for (int64_t i = block * kPointsAtOnce; i < last; ++i)
        for (int64_t k = 0; k < d; ++k) sum[k] += double(points.as<T>()[i * d + k]);
    });
    for (int64_t block = 1; block < blocks; ++block)
      for (int64_t k = 0; k < d; ++k) sums[k] += sums[block * d + k];
    return sums;
  }

  // Of y from j on, beyond the last point of it this one again, and where products are taken their
  // squares.
  void pack_panel(const T* y, int64_t j) {
    double* panel = panels_ + j * dimension_;
    for (int64_t c = 0; c < kPairColumns; ++c) {
      const T* point = y + std::min(j + c, m_ - 1) * dimension_;
      for (int64_t k = 0; k < dimension_; ++k) panel[k * kPairColumns + c] = double(point[k]);
    }
    if (!centre_) return;
    double squares[kPairColumns] = {};
    for (int64_t k = 0; k < dimension_; ++k)
      for (int64_t c = 0; c < kPairColumns; ++c) {
        const double by = panel[k * kPairColumns + c] - centre_[k];
        squares[c] = fused(by, by, squares[c]);
      }
    std::copy_n(squares, kPairColumns, squares_ + j);
  }

  // Coordinates of rows from `begin` to before `end`, kPairRows points side by side, and beyond the
  // last point this one again; minus the centre, where the term is, their squares added to those
  // that are there.
  template <bool centred>
  void pack(Rows& rows, int64_t begin, int64_t end, int64_t first, int64_t depth,
            double* coordinates) const {
    for (int64_t r = begin; r < end; ++r) {
      const T* point = x_ + std::min(rows.first + r, n_ - 1) * dimension_ + first;
      double* to = coordinates + r / kPairRows * kPairRows * depth + r % kPairRows;
      double square = first == 0 ? 0 : rows.squares[r];
      for (int64_t k = 0; k < depth; ++k) {
        double own = double(point[k]);
        if constexpr (centred) own -= centre_[first + k], square = fused(own, own, square);
        to[k * kPairRows] = own;
      }
      if constexpr (centred) rows.squares[r] = square;
    }
  }

  // Of rows from `begin` on; done(r, c) follows when the sums of a tile in registers, from row r
  // and column c on, are there.
  static void nothing(int64_t, int64_t) {}
  template <class Term, class Done>
  void sum(Rows& rows, int64_t begin, int64_t end, int64_t j, int64_t columns, double* sums,
           int64_t stride, Done&& done) const {
    Packed& packed = Term::kCentred ? rows.about_centre : rows.as_they_are;
    const bool fits = dimension_ <= kDepth;
    for (int64_t k = 0; k == 0 || k < dimension_; k += kDepth) {
      const int64_t depth = std::min(kDepth, dimension_ - k);
      const double* centre = nullptr;
      if constexpr (Term::kCentred) centre = centre_ + k;
      if (!packed.is_whole)
        pack<Term::kCentred>(rows, fits ? 0 : begin, whole(fits ? rows.count : end), k, depth,
                             packed.coordinates);
      packed.is_whole = fits;
      for (int64_t c = 0; c < columns; c += kPairColumns)
        for (int64_t r = begin; r < end; r += kPairRows) {
          sum_pairs<Term>(depth, packed.coordinates + r * depth,
                          panels_ + (j + c) * dimension_ + k * kPairColumns, centre, k == 0,
                          sums + (r - begin) * stride + c, stride);
          if (k + depth == dimension_) done(r, c);
        }
    }
  }
  static int64_t whole(int64_t rows) { return (rows + kPairRows - 1) / kPairRows * kPairRows; }

  // |x − y|² = |x|² + |y|² − 2 x·y about the centre, which takes half the instructions. Where it is
  // so much smaller than the squares that too many digits cancel, or they overflow, by differences.
  void fill_products(Rows& rows, int64_t j, int64_t columns, double* costs) const {
    sum<ProductTerm>(rows, 0, rows.count, j, columns, costs, kColumns, [&](int64_t r, int64_t c) {
      double* tile = costs + r * kColumns + c;
      const double *of_x = rows.squares + r, *of_y = squares_ + j + c;
      const PairVector minus_two = -2 - PairVector{};
      Mask are_exact = ~Mask{};
#pragma GCC unroll 1
      for (int row = 0; row < kPairRows; ++row)
#pragma GCC unroll 3
        for (int v = 0; v < kPairVectors; ++v) {
          double* at = tile + row * kColumns + v * kPairLanes;
          PairVector cost, dot;
          load<double>(of_y + v * kPairLanes, cost), load<double>(at, dot);
          cost += of_x[row];
          const PairVector least = cost * kLeastShare;
          add_product<double>(minus_two, dot, cost);
          are_exact &= cost > least;
          store<double>(cost, at);
        }
      bool is_exact = true;
      for (int lane = 0; lane < kPairLanes; ++lane) is_exact &= are_exact[lane] != 0;
      if (!is_exact) mend(rows, r, j + c, tile);
    });
  }
  __attribute__((noinline)) void mend(Rows& rows, int64_t r, int64_t j, double* costs) const {
    alignas(64) double exact[kPairRows * kPairColumns];
    sum<SquareTerm>(rows, r, r + kPairRows, j, kPairColumns, exact, kPairColumns, nothing);
    for (int row = 0; row < kPairRows; ++row)
      for (int c = 0; c < kPairColumns; ++c) {
        double& cost = costs[row * kColumns + c];
        const double least = kLeastShare * (squares_[j + c] + rows.squares[r + row]);
        cost = cost > least ? cost : exact[row * kPairColumns + c];
      }
  }

  template <class Slope>
  void add_slopes(const Rows& rows, int64_t j, int64_t columns, const double* weights,
                  double* gradients) const {
    const int64_t panels = padded(columns) / kPairColumns;
    for (int64_t k = 0; k < dimension_; k += kSlopeCoordinates)
      for (int64_t r = 0; r < rows.count; r += kSlopePoints) {
        double own[kSlopePoints][kSlopeCoordinates], sums[kSlopePoints][kSlopeCoordinates];
        const double* other[kSlopeCoordinates];
        for (int64_t s = 0; s < kSlopeCoordinates; ++s) {
          const int64_t coordinate = std::min(k + s, dimension_ - 1);
          other[s] = panels_ + j * dimension_ + coordinate * kPairColumns;
          for (int64_t p = 0; p < kSlopePoints; ++p)
            own[p][s] = coordinate_of(std::min(rows.first + r + p, n_ - 1), coordinate);
        }
        sum_slopes<Slope>(panels, dimension_ * kPairColumns, weights + r * kColumns, kColumns, own,
                          other, sums);
        for (int64_t p = 0; p < std::min<int64_t>(kSlopePoints, rows.count - r); ++p)
          for (int64_t s = 0; s < std::min<int64_t>(kSlopeCoordinates, dimension_ - k); ++s) {
            double sum = sums[p][s];
            if (!std::isfinite(sum))
              sum = slope_of_near<Slope>(rows.first + r + p, k + s, j, columns,
                                         weights + (r + p) * kColumns);
            gradients[(r + p) * dimension_ + k + s] += sum;
          }
      }
  }
  // A pair without weight has no part in it, be it infinitely far.
  template <class Slope>
  __attribute__((noinline)) double slope_of_near(int64_t i, int64_t k, int64_t j, int64_t columns,
                                                 const double* weights) const {
    const double own = coordinate_of(i, k);
    double sum = 0;
    for (int64_t c = 0; c < columns; ++c) {
      if (weights[c] == 0) continue;
      const double by = own - panels_[(j + c) / kPairColumns * kPairColumns * dimension_ +
                                      k * kPairColumns + (j + c) % kPairColumns];
      sum += weights[c] * (std::is_same_v<Slope, SignSlope> ? double(by > 0) - double(by < 0) : by);
    }
    return sum;
  }
  double coordinate_of(int64_t i, int64_t k) const { return double(x_[i * dimension_ + k]); }

  const T* x_;
  int64_t n_, m_, dimension_;
  Metric metric_;
  double *centre_ = nullptr, *panels_, *squares_ = nullptr;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
