// What kernels of dense transport share: panels of rows, products with the Gibbs kernel that read it
// once, exponentials of a row.
#pragma once
#include <algorithm>
#include <cmath>

#include "cpu/exp_eight.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Rows in panels of a size that follows from the shape alone: what a panel sums down the columns
// goes to a row of its own, and these are added in order.
class TransportPanels {
 public:
  TransportPanels(int64_t rows, int64_t columns)
      : rows_(rows),
        size_(std::max<int64_t>(
            {rows >= 512 ? 64 : (rows + 7) / 8, (1 << 14) / std::max<int64_t>(1, columns), 1})) {}
  int64_t count() const { return (rows_ + size_ - 1) / size_; }
  int64_t begin(int64_t panel) const { return panel * size_; }
  int64_t end(int64_t panel) const { return std::min(rows_, (panel + 1) * size_); }

 private:
  int64_t rows_, size_;
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

// Σⱼ rowₖⱼ vⱼ of four rows.
template <class T>
void dots_of_four(const T* row, int64_t stride, const double* v, int64_t n, double* out) {
  Eight sums[4] = {}, more[4] = {}, x, y, w;
  int64_t j = 0;
  for (; j + 16 <= n; j += 16) {
    load_eight(v + j, x), load_eight(v + j + 8, y);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      load_eight(row + k * stride + j, w), add_product(sums[k], w, x);
      load_eight(row + k * stride + j + 8, w), add_product(more[k], w, y);
    }
  }
  for (int k = 0; k < 4; ++k) {
    double rest = 0;
    for (int64_t i = j; i < n; ++i) rest += double(row[k * stride + i]) * v[i];
    out[k] = total_of(sums[k] + more[k]) + rest;
  }
}

template <class T>
double dot_of_row(const T* row, const double* v, int64_t n) {
  return sum_of(n, [&](int64_t j) { return double(row[j]) * v[j]; });
}

// sumsⱼ += Σₖ uₖ rowₖⱼ of four rows.
template <class T>
void add_four(const T* row, int64_t stride, const double* u, int64_t n, double* sums) {
  Eight sum, w, by[4];
  for (int k = 0; k < 4; ++k) by[k] = Eight{} + u[k];
  int64_t j = 0;
  for (; j + 8 <= n; j += 8) {
    load_eight(sums + j, sum);
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) load_eight(row + k * stride + j, w), add_product(sum, w, by[k]);
    store_eight(sum, sums + j);
  }
  for (; j < n; ++j)
    for (int k = 0; k < 4; ++k) sums[j] += u[k] * double(row[k * stride + j]);
}

template <class T>
void add_row(const T* row, double u, int64_t n, double* sums) {
  for (int64_t j = 0; j < n; ++j) sums[j] += u * double(row[j]);
}

// dot(i, Σⱼ kernelᵢⱼ vⱼ) for the rows of a panel, four at a time while there are as many.
template <class T, class Dot>
void for_dots(const T* kernel, int64_t columns, const double* v, int64_t first, int64_t last,
              Dot&& dot) {
  int64_t i = first;
  for (double dots[4]; i + 4 <= last; i += 4) {
    dots_of_four(kernel + i * columns, columns, v, columns, dots);
    for (int k = 0; k < 4; ++k) dot(i + k, dots[k]);
  }
  for (; i < last; ++i) dot(i, dot_of_row(kernel + i * columns, v, columns));
}

// sumsⱼ = Σᵢ uᵢ kernelᵢⱼ over the rows of a panel.
template <class T>
void sum_panel(const T* kernel, int64_t columns, const double* u, int64_t first, int64_t last,
               double* sums) {
  std::fill_n(sums, columns, 0.0);
  int64_t i = first;
  for (; i + 4 <= last; i += 4) add_four(kernel + i * columns, columns, u + i, columns, sums);
  for (; i < last; ++i) add_row(kernel + i * columns, u[i], columns, sums);
}

// each(j, n, eight of exp(u + wⱼ − costⱼ · inverse)), of which n count and the others are 0.
template <class T, class Each>
__attribute__((always_inline)) inline void plan_row(const T* cost, const double* w, double u,
                                                    double inverse, int64_t n, Each&& each) {
  const Eight own = Eight{} + u, by = Eight{} - inverse;
  for_eights(n, [&](int64_t j, auto count) {
    Eight c, x;
    load_some(cost + j, count, kInfinite, c), load_some(w + j, count, 0, x);
    x += own;
    multiply_add(c, by, x, x);
    exp_of_eight(x, x);
    each(j, count, x);
  });
}

// Potentials in units of eps.
inline double* in_units(Stream& stream, const View& potential, double inverse) {
  const int64_t n = potential.size();
  double* out = stream.scratch<double>(n);
  for (int64_t i = 0; i < n; ++i) out[i] = potential.as<double>()[i] * inverse;
  return out;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
