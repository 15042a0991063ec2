// A product one of whose factors has few rows, by one thread: as fast as the other one is read.
#pragma once
#include <algorithm>
#include <utility>

#include "cpu/kernels/products/shared/product_tile.h"
#include "cpu/kernels/products/shared/row_factor.h"
#include "cpu/panels.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
inline constexpr int64_t kFewRows = std::max(8, kVectorSize<T> * 3 / 4 - 1);
inline constexpr int64_t kManyRows = 256;  // of the other factor, at most
// Rows of the other factor that some of the few ones go by before the next of these do.
inline constexpr int64_t kRowsAtOnce = 8;

// Rows of the other factor that a thin product takes: where the few are more than it takes at
// once, no more than the second cache holds.
template <class T>
int64_t rows_of_part(int64_t inner, int64_t few_rows) {
  constexpr int64_t kNearElements = (512 << 10) / sizeof(T);
  if (few_rows <= kFewRows<T>) return kManyRows;
  return std::clamp(kNearElements / inner / kRowsAtOnce * kRowsAtOnce, kRowsAtOnce, kManyRows);
}

// The sum of the lanes of x[i], in lane i.
template <class T, int count, int width = kVectorSize<T>>
inline __attribute__((always_inline)) void sum_lanes(Vector<T>* x) {
  if constexpr (width > 1) {
    constexpr int kHalf = (count + 1) / 2;
    [&]<size_t... l>(std::index_sequence<l...>) __attribute__((always_inline)) {
#pragma GCC unroll 8
      for (int i = 0; i < kHalf; ++i) {
        const Vector<T> a = x[2 * i], b = x[std::min(2 * i + 1, count - 1)];
        x[i] = __builtin_shufflevector(a, b, (2 * l)...) +
               __builtin_shufflevector(a, b, (2 * l + 1)...);
      }
    }
    (std::make_index_sequence<kVectorSize<T>>());
    sum_lanes<T, kHalf, width / 2>(x);
  }
}

// Some rows by some, whose elements lie along: sums[i · kManyRows + j] += few[i] · many[j].
template <class T, int few_rows, int many_rows>
void add_dots(int64_t depth, const T* few, int64_t few_stride, const T* many, int64_t many_stride,
              T* sums) {
  constexpr int kLanes = kVectorSize<T>;
  Vector<T> sum[few_rows][many_rows] = {};
  const auto add = [&](auto&& load) __attribute__((always_inline)) {
    Vector<T> x[few_rows];
#pragma GCC unroll 4
    for (int i = 0; i < few_rows; ++i) load(few + i * few_stride, x[i]);
#pragma GCC unroll 8
    for (int j = 0; j < many_rows; ++j) {
      Vector<T> y;
      load(many + j * many_stride, y);
#pragma GCC unroll 4
      for (int i = 0; i < few_rows; ++i) add_product<T>(x[i], y, sum[i][j]);
    }
  };
  int64_t k = 0;
  for (; k + kLanes <= depth; k += kLanes)
    add([&](const T* row, Vector<T>& x) { load<T>(row + k, x); });
  if (k < depth) add([&](const T* row, Vector<T>& x) { load_first<T>(row + k, depth - k, x); });
  constexpr int kSums = few_rows * many_rows, kSome = std::min(kSums, kLanes);
  T total[kSums + 2 * kLanes];
#pragma GCC unroll 8
  for (int first = 0; first < kSums; first += kSome) {
    Vector<T> some[kSome];
#pragma GCC unroll 16
    for (int i = 0; i < kSome; ++i) {
      const int at = std::min(first + i, kSums - 1);
      some[i] = sum[at / many_rows][at % many_rows];
    }
    sum_lanes<T, kSome>(some);
    store<T>(some[0], total + first);
  }
#pragma GCC unroll 4
  for (int i = 0; i < few_rows; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < many_rows; ++j) sums[i * kManyRows + j] += total[i * many_rows + j];
}

template <class T, int few_rows>
void add_along(int64_t rows, int64_t depth, const T* few, int64_t few_stride, const T* many,
               int64_t many_stride, T* sums) {
#ifdef __AVX512F__
  constexpr int kTogether = few_rows == 1 ? 8 : 4;
#else
  constexpr int kTogether = few_rows == 1 ? 8 : few_rows == 2 ? 4 : 2;
#endif
  int64_t j = 0;
  const auto add = [&]<int together> {
    for (; j + together <= rows; j += together)
      add_dots<T, few_rows, together>(depth, few, few_stride, many + j * many_stride, many_stride,
                                      sums + j);
  };
  add.template operator()<kTogether>();
  add.template operator()<2>();
  add.template operator()<1>();
}

// The same of many rows that lie across: some elements of all of them at once.
template <class T, int few_rows>
void add_across(int64_t rows, int64_t depth, const T* few, int64_t few_stride, const T* many,
                int64_t many_stride, T* sums) {
  constexpr int kLanes = kVectorSize<T>, kTogether = 4;
  for (int64_t k = 0; k < depth; k += kTogether) {
    const int64_t some = std::min<int64_t>(kTogether, depth - k);
    T own[few_rows][kTogether] = {};
    for (int i = 0; i < few_rows; ++i) std::copy_n(few + i * few_stride + k, some, own[i]);
    const T* line[kTogether];
    for (int64_t t = 0; t < some; ++t) line[t] = many + (k + t) * many_stride;
    int64_t j = 0;
    const auto each = [&]<int count> __attribute__((always_inline)) {
      const auto add = [&](auto&& load_line) __attribute__((always_inline)) {
        Vector<T> sum[few_rows];
#pragma GCC unroll 4
        for (int i = 0; i < few_rows; ++i) load<T>(sums + i * kManyRows + j, sum[i]);
#pragma GCC unroll 4
        for (int t = 0; t < count; ++t) {
          Vector<T> y;
          load_line(line[t] + j, y);
#pragma GCC unroll 4
          for (int i = 0; i < few_rows; ++i) add_product<T>(own[i][t] - Vector<T>{}, y, sum[i]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < few_rows; ++i) store<T>(sum[i], sums + i * kManyRows + j);
      };
      for (; j + kLanes <= rows; j += kLanes) add([](const T* x, Vector<T>& y) { load<T>(x, y); });
      if (j < rows) add([&](const T* x, Vector<T>& y) { load_first<T>(x, rows - j, y); });
    };
    if (some == kTogether)
      each.template operator()<kTogether>();
    else if (some == 3)
      each.template operator()<3>();
    else if (some == 2)
      each.template operator()<2>();
    else
      each.template operator()<1>();
  }
}

// The product of at most kFewRows by at most kManyRows rows.
template <class T>
void thin_part(int64_t inner, const RowFactor<T>& few, const RowFactor<T>& many,
               const RowResult<T>& to) {
  constexpr int64_t kStep = std::min<int64_t>(4, kFewRows<T>);
  T total[kFewRows<T> * kManyRows], part[kFewRows<T> * kManyRows], own[kFewRows<T> * kDepth];
  // In dot products each lane of a register has a running sum of its own.
  const int64_t span = few.down || many.down ? kDepth : kDepth * kVectorSize<T>,
                at_once = many.down || few.rows <= kStep ? many.rows : kRowsAtOnce;
  for (int64_t k = 0; k == 0 || k < inner; k += span) {
    const int64_t depth = std::min(span, inner - k);
    const T* from = few.at(0, k);
    int64_t stride = few.stride;
    if (few.down) {
      for (int64_t r = 0; r < few.rows; ++r)
        for (int64_t i = 0; i < depth; ++i) own[r * kDepth + i] = from[i * few.stride + r];
      from = own, stride = kDepth;
    }
    T* const sums = k == 0 ? total : part;
    for (int64_t r = 0; r < few.rows; ++r) std::fill_n(sums + r * kManyRows, many.rows, T(0));
    for (int64_t j = 0; j < many.rows; j += at_once)
      for (int64_t r = 0; r < few.rows; r += kStep) {
        const auto add = [&]<int count> {
          (many.down ? add_across<T, count> : add_along<T, count>)(std::min(at_once, many.rows - j),
                                                                   depth, from + r * stride, stride,
                                                                   many.at(j, k), many.stride,
                                                                   sums + r * kManyRows + j);
        };
        switch (std::min(kStep, few.rows - r)) {
          case 1:
            add.template operator()<1>();
            break;
          case 2:
            add.template operator()<2>();
            break;
          case 3:
            add.template operator()<3>();
            break;
          default:
            add.template operator()<4>();
        }
      }
    for (int64_t r = 0; k > 0 && r < few.rows; ++r)
      for (int64_t j = 0; j < many.rows; ++j) total[r * kManyRows + j] += sums[r * kManyRows + j];
  }
  (to.is_turned ? store_turned<T> : store_part<T>)(total, kManyRows, few.rows, many.rows, to);
}

// The product of few rows by at most rows_of_part.
template <class T>
void thin_product(int64_t inner, const RowFactor<T>& few, const RowFactor<T>& many,
                  const RowResult<T>& to) {
  constexpr int64_t kGroup = 8;
  static_assert(kGroup <= kFewRows<T>);
  if (few.rows <= kFewRows<T>) return thin_part<T>(inner, few, many, to);
  for (int64_t r = 0; r < few.rows; r += kGroup) {
    RowFactor<T> some = few;
    some.data = few.at(r, 0), some.rows = std::min(kGroup, few.rows - r);
    thin_part<T>(inner, some, many, to.from(0, r, 0));
  }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
