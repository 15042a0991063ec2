#include "cpu/product.h"

#include "cpu/kernels/products/shared/small_product.h"
#include "cpu/transpose.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

constexpr int64_t kProductDepth = 192, kProductStrip = 48;
constexpr int64_t kNearBytes = 2048;  // rows further from each other share sets of caches

template <class T>
void by_thin_parts(int64_t k, const RowFactor<T>& few, const RowFactor<T>& many,
                   const RowResult<T>& to) {
  const int64_t most = rows_of_part<T>(std::max<int64_t>(1, k), few.rows);
  for (int64_t j = 0; j < many.rows; j += most) {
    RowFactor<T> some = many;
    some.data = many.at(j, 0), some.rows = std::min(most, many.rows - j);
    thin_product<T>(k, few, some, to.from(0, 0, j));
  }
}

// Some rows whose strip is packed if they lie far from each other, by all columns; of a triangle,
// where they begin with row `first`, by those on and below the diagonal.
template <class T, bool is_triangle>
void multiply_strip(const RowFactor<T>& left, const RowFactor<T>& right, int64_t k, int64_t depth,
                    bool is_packed, const RowResult<T>& to, int64_t first) {
  constexpr int64_t kColumns = kRowTileColumns<T>, kLanes = kVectorSize<T>;
  alignas(kVectorBytes) T panel[kColumns * kProductDepth], strip[kProductStrip * kProductDepth];
  const T* a = left.at(0, k);
  int64_t stride = left.stride;
  if (is_packed) {
    copy_rows(a, stride, left.rows, depth, strip, kProductStrip);
    a = strip, stride = kProductStrip;
  }
  const int64_t end = is_triangle ? std::min(right.rows, first + left.rows) : right.rows;
  for (int64_t j = 0; j < end; j += kColumns) {
    const int64_t columns = std::min(kColumns, right.rows - j), width = whole_vectors<T>(columns);
    const T* b = right.at(j, k);
    int64_t b_stride = right.stride;
    if (!right.down || (!kHasMasks && columns % kLanes != 0)) {
      if (columns < width) std::fill_n(panel, depth * width, T(0));
      if (right.down)
        copy_rows(b, right.stride, columns, depth, panel, width);
      else
        transpose(b, right.stride, columns, depth, panel, width);
      b = panel, b_stride = width;
    }
    const TileRows<T> rows{a, stride, left.down};
    if constexpr (is_triangle)
      multiply_panel_below<T>(left.rows, rows, depth, b, b_stride, to.from(0, 0, j), columns,
                              j - first);
    else
      multiply_panel<T>(left.rows, rows, depth, b, b_stride, to.from(0, 0, j), columns);
  }
}

template <class T, bool is_triangle = false>
void by_tiles(const RowFactor<T>& left, const RowFactor<T>& right, int64_t k,
              const RowResult<T>& to) {
  if (!is_triangle && kHasMasks && right.down && k <= kProductDepth &&
      right.rows <= kRowTileColumns<T>)
    return multiply_panel<T>(left.rows, {left.data, left.stride, left.down}, k, right.data,
                             right.stride, to, right.rows);
  const bool is_packed = left.down && left.stride * int64_t(sizeof(T)) > kNearBytes;
  const int64_t height = is_packed ? kProductStrip : left.rows;
  RowResult<T> part = to;
  for (int64_t from = 0; from == 0 || from < k; from += kProductDepth) {
    for (int64_t i = 0; i < left.rows; i += height) {
      RowFactor<T> rows = left;
      rows.data = left.at(i, 0), rows.rows = std::min(height, left.rows - i);
      multiply_strip<T, is_triangle>(rows, right, from, std::min(kProductDepth, k - from),
                                     is_packed, part.from(0, i, 0), i);
    }
    part.beta = 1, part.old = part.c, part.bias = nullptr;
  }
}

}  // namespace

template <class T>
void small_product(const ProductWay& way, int64_t inner, const RowFactor<T>& left,
                   const RowFactor<T>& right, const RowResult<T>& result) {
  if (left.rows == 0 || right.rows == 0) return;
  if (!way.is_thin && !way.is_turned && !way.rest) return by_tiles<T>(left, right, inner, result);
  RowFactor<T> first = right;
  RowResult<T> to = result;
  if (way.rest) {
    first.rows -= way.rest;
    RowFactor<T> rest = right;
    rest.data = right.at(first.rows, 0), rest.rows = way.rest;
    RowResult<T> part = to.from(0, 0, first.rows);
    part.is_turned = true;
    by_thin_parts<T>(inner, rest, left, part);
  }
  to.is_turned = way.is_turned;
  const RowFactor<T>&rows = way.is_turned ? first : left, &columns = way.is_turned ? left : first;
  (way.is_thin ? by_thin_parts<T>(inner, rows, columns, to)
               : by_tiles<T>(rows, columns, inner, to));
}

template <class T>
void small_triangle(int64_t inner, const RowFactor<T>& left, const RowFactor<T>& right,
                    const RowResult<T>& to) {
  by_tiles<T, true>(left, right, inner, to);
}

template <class T>
void product(bool ta, bool tb, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda,
             const T* b, int64_t ldb, T beta, T* c, int64_t ldc) {
  const RowFactor<T> left{a, m, lda, 0, ta}, right{b, n, ldb, 0, !tb};
  small_product<T>(product_way<T>(k, left, right), k, left, right,
                   {alpha, beta, c, nullptr, c, ldc, 0});
}

template void small_product<float>(const ProductWay&, int64_t, const RowFactor<float>&,
                                   const RowFactor<float>&, const RowResult<float>&);
template void small_product<double>(const ProductWay&, int64_t, const RowFactor<double>&,
                                    const RowFactor<double>&, const RowResult<double>&);
template void small_triangle<float>(int64_t, const RowFactor<float>&, const RowFactor<float>&,
                                    const RowResult<float>&);
template void small_triangle<double>(int64_t, const RowFactor<double>&, const RowFactor<double>&,
                                     const RowResult<double>&);
template void product<float>(bool, bool, int64_t, int64_t, int64_t, float, const float*, int64_t,
                             const float*, int64_t, float, float*, int64_t);
template void product<double>(bool, bool, int64_t, int64_t, int64_t, double, const double*, int64_t,
                              const double*, int64_t, double, double*, int64_t);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
