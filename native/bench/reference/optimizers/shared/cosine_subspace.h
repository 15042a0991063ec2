// Columns of a cosine basis, for the shorter side of a matrix. A fast transform rounds by the norm
// of its row, whatever each element is: twice for each factor of two of the length.
#pragma once
#include <algorithm>
#include <numeric>

#include "bench/reference/operands.h"
#include "bench/reference/optimizers/shared/step.h"
#include "bench/reference/shared/cosines.h"
#include "ops/rows/dct.h"

namespace orthokit::bench {

class CosineBasis {
 public:
  CosineBasis(const View& weight, DctKind kind)
      : rows_(size_t(matrices(weight).rows)),
        columns_(size_t(matrices(weight).columns)),
        kind_(kind),
        q_(int64_t(shorter())),
        rounding_(2 * std::log2(double(2 * shorter())) *
                  unit_of(weight.dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32)) {}
  size_t shorter() const { return std::min(rows_, columns_); }
  size_t longer() const { return std::max(rows_, columns_); }

  // Row k: the product of x and basis vector k.
  Vector coordinates(const Vector& x) const {
    Vector out(x.size());
    for (size_t k = 0; k < shorter(); ++k)
      for (size_t j = 0; j < longer(); ++j)
        for (size_t i = 0; i < shorter(); ++i)
          out[k * longer() + j] += vector(k, i) * x[place(i, j)];
    round(out, [&](size_t k, size_t j) { return k * longer() + j; });
    return out;
  }
  // x of coordinates at these vectors alone.
  Vector matrix(const Vector& rows, const std::vector<size_t>& indices) const {
    Vector out(rows_ * columns_);
    for (size_t k = 0; k < indices.size(); ++k)
      for (size_t j = 0; j < longer(); ++j)
        for (size_t i = 0; i < shorter(); ++i)
          out[place(i, j)] += vector(indices[k], i) * rows[k * longer() + j];
    round(out, [&](size_t i, size_t j) { return place(i, j); });
    return out;
  }
  std::vector<size_t> largest(const Vector& all, size_t rank) const {
    Vector scores(shorter());
    for (size_t k = 0; k < shorter(); ++k)
      for (size_t j = 0; j < longer(); ++j) scores[k] += std::abs(all[k * longer() + j]);
    std::vector<size_t> order(shorter());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater<>(), [&](size_t k) {
      return std::isnan(scores[k]) ? double(INFINITY) : scores[k];
    });
    order.resize(std::min(rank, order.size()));
    return order;
  }
  Vector rows(const Vector& all, const std::vector<size_t>& indices) const {
    Vector out;
    for (const size_t k : indices)
      out.insert(out.end(), all.begin() + long(k * longer()),
                 all.begin() + long((k + 1) * longer()));
    return out;
  }
  // Of element i along the shorter side, j along the longer one.
  size_t place(size_t i, size_t j) const {
    return rows_ < columns_ ? i * columns_ + j : j * columns_ + i;
  }
  // Of an element of a transform, as a share of the norm of what is transformed.
  double rounding() const { return rounding_; }

 private:
  double vector(size_t k, size_t i) const {
    const int64_t a = int64_t(k), b = int64_t(i);
    return kind_ == DctKind::kDct2 ? q_(a, b) : q_(b, a);
  }
  template <class Place>
  void round(Vector& x, const Place& at) const {
    for (size_t j = 0; j < longer(); ++j) {
      double squares = 0;
      for (size_t i = 0; i < shorter(); ++i) squares += x[at(i, j)] * x[at(i, j)];
      if (!std::isfinite(squares)) continue;
      for (size_t i = 0; i < shorter(); ++i)
        x[at(i, j)] = remaining(x[at(i, j)], rounding_ * std::sqrt(squares));
    }
  }
  const size_t rows_, columns_;
  const DctKind kind_;
  const Cosines q_;
  const double rounding_;
};

}  // namespace orthokit::bench
