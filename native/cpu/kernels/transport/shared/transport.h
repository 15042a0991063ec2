// Shared parts of kernels of dense transport: panels of rows, products with the Gibbs kernel that
// read it once, exponentials of a row.
#pragma once
#include <algorithm>
#include <cmath>

#include "cpu/exp_eight.h"
#include "cpu/for_eights.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Exponents are those of 2: costs and potentials in units of eps ln 2.
inline double units_of(double eps) { return std::numbers::log2e / eps; }

// exp(x), 0 below −708, where the result would be subnormal, infinity above 709; NaN for NaN.
inline double exp_in_range(double x) {
  const double held = x > 709 ? 709 : x, exp = exp_of_negative(held);
  return x > 709 ? kInfinite : exp;
}

// Rows in panels of a size that follows from the shape alone: what a panel sums down the columns
// goes to a row of its own, and these are added in order.
class TransportPanels {
 public:
  TransportPanels(int64_t rows, int64_t columns)
      : rows_(rows),
        columns_(columns),
        size_(std::max<int64_t>({rows >= 512 ? 64 : (rows + 63) / 64 * 8,
                                 (1 << 14) / std::max<int64_t>(1, columns), 1})) {}
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  int64_t count() const { return (rows_ + size_ - 1) / size_; }
  int64_t begin(int64_t panel) const { return panel * size_; }
  int64_t end(int64_t panel) const { return std::min(rows_, (panel + 1) * size_); }

 private:
  int64_t rows_, columns_, size_;
};

// f(first, one past the last) for blocks of elements of a vector, on all threads: block k is the
// k-th slot of partial results.
inline constexpr int64_t kVectorBlock = 1024;
inline int64_t vector_blocks(int64_t size) { return (size + kVectorBlock - 1) / kVectorBlock; }
template <class F>
void for_blocks(Stream& stream, int64_t size, F&& f) {
  stream.parallel(vector_blocks(size), [&](int64_t block) {
    f(block, block * kVectorBlock, std::min(size, (block + 1) * kVectorBlock));
  });
}

// Σ over the panels of partial[panel · columns + j], for j in first … last − 1.
inline void add_panels(int64_t panels, int64_t columns, const double* partial, int64_t first,
                       int64_t last, double* sums) {
  std::fill(sums + first, sums + last, 0.0);
  for (int64_t p = 0; p < panels; ++p)
    for (int64_t j = first; j < last; ++j) sums[j] += partial[p * columns + j];
}

// f(first row, how many) for the rows of a panel that are read together: eight where the matrix
// lies beyond the second cache but eight rows, and the next eight, do not; else four while there
// are as many.
template <class T, class F>
void for_row_groups(const TransportPanels& panels, int64_t panel, F&& f) {
  constexpr int64_t kCached = 1 << 22, kRow = 1 << 15;
  const int64_t bytes = panels.columns() * int64_t(sizeof(T)), last = panels.end(panel);
  int64_t i = panels.begin(panel);
  if (panels.rows() * bytes > kCached && bytes <= kRow)
    for (; i + 8 <= last; i += 8) f(i, std::integral_constant<int, 8>());
  for (; i + 4 <= last; i += 4) f(i, std::integral_constant<int, 4>());
  for (; i < last; ++i) f(i, std::integral_constant<int, 1>());
}

// The rows after a group, or the group itself where the matrix ends. The two passes over a group
// fetch half of them each: else memory waits while the second pass reads from the cache.
template <class T>
const T* rows_after(const T* matrix, const TransportPanels& panels, int64_t row, int count) {
  return matrix + (row + 2 * count <= panels.rows() ? row + count : row) * panels.columns();
}
inline void fetch(const void* line) { __builtin_prefetch(line, 0, 2); }

// Σⱼ rowₖⱼ vⱼ of rows read together.
template <int kRows, class T>
void dots_of_rows(const T* row, const T* after, const double* v, int64_t n, double* out) {
  Eight sums[kRows] = {}, x{}, w{};
  for_eights(n, [&](int64_t j, auto count) {
    load_some(v + j, count, 0, x);
#pragma GCC unroll 8
    for (int k = 0; k < kRows; ++k) {
      load_some(row + k * n + j, count, 0, w), add_product(sums[k], w, x);
      if (k < kRows / 2) fetch(after + k * n + j);
    }
  });
  for (int k = 0; k < kRows; ++k) out[k] = total_of(sums[k]);
}

// sumsⱼ += Σₖ uₖ rowₖⱼ of rows read together.
template <int kRows, class T, class After>
void add_rows(const T* row, const After* after, const double* u, int64_t n, double* sums) {
  Eight sum{}, w{}, by[kRows];
  for (int k = 0; k < kRows; ++k) by[k] = Eight{} + u[k];
  for_eights(n, [&](int64_t j, auto count) {
    load_some(sums + j, count, 0, sum);
#pragma GCC unroll 8
    for (int k = 0; k < kRows; ++k) {
      load_some(row + k * n + j, count, 0, w), add_product(sum, w, by[k]);
      if (k >= kRows / 2) fetch(after + k * n + j);
    }
    store_some(sum, count, sums + j);
  });
}

// each(j, n, eight of 2 to the power of uₖ + wⱼ − costₖⱼ · inverse for each row k), of which n
// count and the others are 0. Rows that are taken together share the reads along them.
template <int kRows, class T, class Each>
__attribute__((always_inline)) inline void plan_rows(const T* cost, const double* w,
                                                     const double* u, double inverse, int64_t n,
                                                     Each&& each) {
  const Eight by = Eight{} - inverse;
  for_eights(n, [&](int64_t j, auto count) {
    Eight own, exps[kRows];
    load_some(w + j, count, 0, own);
#pragma GCC unroll 2
    for (int k = 0; k < kRows; ++k) {
      Eight c, x;
      load_some(cost + k * n + j, count, kInfinite, c);
      multiply_add(c, by, own, x);  // first, as large potentials belong to large costs
      x += u[k];
      power_of_eight(x, exps[k]);
    }
    each(j, count, exps);
  });
}
template <class T, class Each>
__attribute__((always_inline)) inline void plan_row(const T* cost, const double* w, double u,
                                                    double inverse, int64_t n, Each&& each) {
  plan_rows<1>(cost, w, &u, inverse, n,
               [&](int64_t j, auto count, const Eight(&x)[1]) { each(j, count, x[0]); });
}

// The same for some rows, kept in `exps`, and their sums.
template <int kRows, class T>
void exps_of_rows(const T* cost, const double* w, const double* u, double inverse, int64_t n,
                  double* exps, double* totals) {
  Eight sums[kRows] = {};
  plan_rows<kRows>(cost, w, u, inverse, n, [&](int64_t j, auto count, const Eight(&x)[kRows]) {
#pragma GCC unroll 2
    for (int k = 0; k < kRows; ++k) sums[k] += x[k], store_some(x[k], count, exps + k * n + j);
  });
  for (int k = 0; k < kRows; ++k) totals[k] = total_of(sums[k]);
}
// Sums that lose no term of weight, and that a mass may be divided by.
inline bool is_moderate(double total) { return total > 1e-100 && total < 1e100; }

// The potential that gives a column its mass, by its largest exponent; NaN where no finite cost and
// potential reaches it. Exponents are differences from the largest, so that they are exact where
// costs are far from all others.
template <class T>
double column_potential(const T* cost, int64_t stride, const double* u, int64_t n, double inverse,
                        double mass) {
  double most = -kInfinite, sum = 0, own = 0, potential = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double c = double(cost[i * stride]), x = fused(c, -inverse, u[i]);
    if (x > most) most = x, own = c, potential = u[i];
  }
  if (!std::isfinite(most)) return std::numeric_limits<double>::quiet_NaN();
  for (int64_t i = 0; i < n; ++i)
    sum += exp_of_negative(fused(double(cost[i * stride]) - own, -inverse, u[i] - potential) *
                           std::numbers::ln2);
  return fused(own, inverse, std::log2(mass) - std::log2(sum) - potential);
}

// Potentials in other units.
inline double* in_units(Stream& stream, const View& potential, double inverse) {
  const int64_t n = potential.size();
  double* out = stream.scratch<double>(n);
  for (int64_t i = 0; i < n; ++i) out[i] = potential.as<double>()[i] * inverse;
  return out;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
