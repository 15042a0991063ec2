#pragma once
#include <algorithm>

#include "ops/optimizers/shared/step.h"
#include "ops/optimizers/shared/weights.h"
#include "ops/rows/dct.h"

namespace orthokit {

class Composer;

// The subspace that few vectors of a cosine basis D span, on the shorter side of a matrix x: the
// columns of D that x has most of, by the 1-norms of x D, or of Dᵀ x where x is wider than it is
// tall. Coordinates have a row a vector; x and what comes back from them are
// [batch, rows, columns]. Results are temporaries of the caller's scope.
class CosineSubspace {
 public:
  CosineSubspace(Composer& composer, const Matrices& shape, Dtype dtype, DctKind basis,
                 int64_t rank);

  static int64_t rank_of(const Matrices& shape, int64_t rank) {
    return std::min({rank, shape.rows, shape.columns});
  }
  // Coordinates of x by all of D: [batch, shorter, longer].
  View coordinates(const View& x);
  // The rows of `all` with the largest 1-norms, of equal ones the first: i32[batch, rank].
  View largest(View all);
  // These rows: [batch, rank, longer].
  View rows(const View& all, const View& indices);
  // `all` with rows in place of those at `indices`, or of zeros where there is no `all`.
  View spread(const View& rows, const View& indices, View all = {});
  // The matrix of these coordinates.
  View matrix(const View& all);

 private:
  bool is_wide() const { return shape_.rows < shape_.columns; }
  int64_t shorter() const { return std::min(shape_.rows, shape_.columns); }
  int64_t longer() const { return std::max(shape_.rows, shape_.columns); }

  Composer& composer_;
  const Matrices shape_;
  const Dtype dtype_;
  const DctKind basis_;
  const int64_t rank_;
};

// Work of both transforms of a step of matrices, and of the passes beside them.
inline double cosine_flops(const List<View>& weights) {
  double sum = 0;
  for (auto& w : weights) {
    const Matrices m = matrices(w);
    View rows = w;
    rows.rank = 2, rows.shape[0] = m.batch * std::max(m.rows, m.columns);
    rows.shape[1] = std::min(m.rows, m.columns);
    sum += 2 * double(w.size()) + 3 * Dct{.x = rows}.flops();
  }
  return sum;
}

}  // namespace orthokit
