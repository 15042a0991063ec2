// The way by which a product of f32 or f64 goes: by its shape, for the same bits on any threads.
#pragma once
#include "cpu/kernels/products/shared/thin_product.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// In a turned product the columns of c are the rows of the tiles.
struct ProductWay {
  bool is_thin, is_turned;
  int64_t rest = 0;  // last columns that go by a thin product of their own
};

// True where thin_product takes less time than tiles.
template <class T>
bool is_thin(int64_t inner, const RowFactor<T>& few, const RowFactor<T>& many, bool is_turned) {
  constexpr int64_t kLanes = kVectorSize<T>,
                    kNear = (int64_t(1) << 23) / sizeof(T);  // elements that tiles read faster
  // Tiles would copy all rows that lie along, which costs more than to read them again.
  constexpr int64_t kMoreRows = std::max<int64_t>(kFewRows<T>, 3 * kLanes);
  const bool is_copied = !is_turned && !few.down && !many.down;
  if (few.rows > (is_copied ? kMoreRows : kFewRows<T>)) return false;
  if (many.down) return many.rows >= kLanes && inner >= kLanes && inner * many.rows > kNear;
  // Registers that the dot products with one row take, with what their sums take; a tile of few
  // columns takes one for each element, one of few rows copies each element before.
  const int64_t dots = few.rows * (inner / kLanes + 7);
  return is_turned ? dots < inner : (few.rows > kFewRows<T> ? 12 : 8) * few.rows < inner;
}

template <class T>
ProductWay product_way(int64_t inner, const RowFactor<T>& left, const RowFactor<T>& right) {
  constexpr int64_t kLanes = kVectorSize<T>, kNarrow = 48, kStore = 64, kTile = 8, kWide = 512;
  const int64_t m = left.rows, n = right.rows;
  const bool is_turned = n < m;
  if (is_turned ? is_thin(inner, right, left, true) : is_thin(inner, left, right, false))
    return {true, is_turned};
  // Columns beyond whole registers leave most of one unused; those of a turned result are stored
  // element by element, in about the time of kStore products; but two or four of f32 by whole
  // registers, which takes no longer than what a tile of the other kind takes besides its products.
  if (left.down) {
    const int64_t store = sizeof(T) == 4 && (n == 2 || n == 4) ? kTile : kStore;
    return {false, n <= kNarrow && n * whole_vectors<T>(m) * (inner + store) <
                                       m * whole_vectors<T>(n) * (inner + kTile)};
  }
  RowFactor<T> rest = right;
  rest.rows = n % kLanes;
  const bool has_rest =
      n > kLanes && n < kWide && rest.rows > 0 && is_thin(inner, rest, left, true);
  return {false, false, has_rest ? rest.rows : 0};
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
