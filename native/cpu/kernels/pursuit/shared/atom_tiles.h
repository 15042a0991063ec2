// The atoms of a pursuit in tiles, each with a bound on its scores: most steps look at few of them.
#pragma once
#include <algorithm>
#include <limits>

#include "cpu/fused.h"
#include "cpu/kernels/pursuit/shared/best_atom.h"
#include "cpu/vectors.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Scores are sⱼ |pⱼ|, p = p₀ − Σᵢ wᵢ Gᵢ over the Gram rows of the chosen atoms. Kept is an older p,
// which takes the row of each new atom as it comes. Where the other coefficients move by δ, no
// score of a tile differs from the one that is kept by more than Σᵢ |δᵢ| cᵢ, where cᵢ is the tile's
// largest sⱼ |Gᵢⱼ|. So a tile is left as it is while its largest score, and what these sums add up
// to since it was computed, stay below the best score of others; and what is found has the bits
// that computing all would give.
template <class T>
class AtomTiles {
 public:
  static constexpr int kWidth = 128 / sizeof(T);
  static int64_t count_of(int64_t atoms) { return (atoms + kWidth - 1) / kWidth; }
  static size_t bytes(int64_t atoms, int64_t k) {
    return size_t(count_of(atoms) * (kWidth + k + 2) + 2 * k) * sizeof(T) +
           size_t(count_of(atoms)) * sizeof(uint32_t);
  }
  // `rows` are the Gram rows of the chosen atoms, `w` their coefficients; `memory` has bytes(),
  // from a multiple of 64 on.
  AtomTiles(T* memory, int64_t atoms, int64_t k, const T* scales, const T* const* rows, const T* w)
      : atoms_(atoms), tiles_(count_of(atoms)), scales_(scales), rows_(rows), w_(w) {
    p_ = memory, found_ = p_ + tiles_ * kWidth, grown_ = found_ + tiles_;
    seen_ = grown_ + tiles_, largest_ = seen_ + k, peaks_ = largest_ + k;
    masks_ = reinterpret_cast<uint32_t*>(peaks_ + k * tiles_);
  }

  // A signal begins, of these correlations.
  void begin(const T* p0) {
    p0_ = p0, count_ = taken_ = 0, size_ = 0;
    std::copy_n(p0, atoms_, p_);
    std::fill(p_ + atoms_, p_ + tiles_ * kWidth, T(0));
    std::fill_n(grown_, tiles_, T(0));
    std::fill_n(masks_, tiles_, 0u);
    for (int64_t tile = 0; tile < tiles_; ++tile) found_[tile] = score(p_ + tile * kWidth, tile);
    largest_score_ = tiles_ == 0 ? T(0) : *std::max_element(found_, found_ + tiles_);
  }
  // The atom has been chosen; its row is the last one, its coefficient 0 until now.
  void choose(int64_t atom) {
    masks_[atom / kWidth] |= 1u << atom % kWidth;
    seen_[count_++] = 0;
  }
  // The atom is passed over, until `readmit`.
  void pass_over(int64_t atom) { set_aside(atom, true); }
  void readmit(int64_t atom) { set_aside(atom, false); }

  // The best atom that is not chosen and not passed over.
  BestAtom<T> best() {
    follow();
    BestAtom<T> best;
    look(std::max_element(found_, found_ + tiles_) - found_, best);
    const T rounding = T(1) + 4 * T(count_ + 8) * std::numeric_limits<T>::epsilon();
    for (int64_t tile = 0; tile < tiles_; ++tile)
      if (!((found_[tile] + grown_[tile]) * rounding + rounding_ < best.score)) look(tile, best);
    return best;
  }

 private:
  // Adds the moves of w since the last call to the bounds of tiles.
  void follow() {
    for (int64_t i = 0; i < taken_; ++i) {
      const T move = std::abs(w_[i] - seen_[i]), *peaks = peaks_ + i * tiles_;
      for (int64_t tile = 0; tile < tiles_; ++tile)
        grown_[tile] = fused(move, peaks[tile], grown_[tile]);
    }
    for (; taken_ < count_; ++taken_) take(taken_);
    double size = 0;
    for (int64_t i = 0; i < count_; ++i) {
      size += std::abs(double(w_[i])) * double(largest_[i]);
      seen_[i] = w_[i];
    }
    size_ = std::max(size_, size);
    rounding_ = T(4 * double(count_ + 8) * double(std::numeric_limits<T>::epsilon()) *
                  (double(largest_score_) + 2 * size_));
  }
  // A row comes: its peaks, and its share of p.
  void take(int64_t i) {
    T* peaks = peaks_ + i * tiles_;
    const T minus = -w_[i];
    T largest = 0;
    for (int64_t tile = 0; tile < tiles_; ++tile) {
      alignas(64) T row[kWidth];
      load(rows_[i], tile, row);
      T* p = p_ + tile * kWidth;
      for (int k = 0; k < kWidth; ++k) p[k] = fused(minus, row[k], p[k]);
      found_[tile] = score(p, tile);
      peaks[tile] = score(row, tile);
      largest = std::max(largest, peaks[tile]);
    }
    largest_[i] = largest;
  }

  void look(int64_t tile, BestAtom<T>& best) {
    T* p = p_ + tile * kWidth;
    update(tile, p);
    const T most = score(p, tile);
    found_[tile] = most, grown_[tile] = 0;
    if (!(most >= best.score) || most == 0) return;
    const int64_t first = tile * kWidth;
    int64_t at = 0;
    while (scaled(p[at], first + at) != most) ++at;
    if (most > best.score || first + at < best.index) best = {most, first + at};
  }
  // p₀ − Σᵢ wᵢ Gᵢ of a tile, in the order of the rows.
  void update(int64_t tile, T* p) const {
    const int64_t first = tile * kWidth;
    load(p0_, tile, p);
    if (first + kWidth > atoms_) {
      for (int64_t i = 0; i < count_; ++i)
        for (int64_t j = first; j < atoms_; ++j)
          p[j - first] = fused(-w_[i], rows_[i][j], p[j - first]);
      return;
    }
    constexpr int kVectors = kWidth / kVectorSize<T>;
    auto* all = reinterpret_cast<Vector<T>*>(p);
    Vector<T> sums[kVectors];
    for (int v = 0; v < kVectors; ++v) sums[v] = all[v];
    for (int64_t i = 0; i < count_; ++i) {
      const Vector<T> minus = -w_[i] - Vector<T>{};
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v)
        add_product<T>(minus, rows_[i] + first + v * kVectorSize<T>, sums[v]);
    }
    for (int v = 0; v < kVectors; ++v) all[v] = sums[v];
  }
  // Zeros beyond the last atom.
  void load(const T* x, int64_t tile, T* out) const {
    const int64_t first = tile * kWidth, size = std::min<int64_t>(kWidth, atoms_ - first);
    if (size == kWidth) {
      std::copy_n(x + first, kWidth, out);
    } else {
      std::copy_n(x + first, size, out);
      std::fill_n(out + size, kWidth - size, T(0));
    }
  }

  T scaled(T p, int64_t j) const { return scales_ ? std::abs(p) * scales_[j] : std::abs(p); }
  // The largest sⱼ |pⱼ| of a tile, and 0 in p of the atoms that are masked.
  T score(T* p, int64_t tile) const {
    if (const uint32_t mask = masks_[tile])
      for (int k = 0; k < kWidth; ++k)
        if (mask >> k & 1) p[k] = 0;
    alignas(64) T lanes[kWidth];
    const T* scales = scales_ ? scales_ + tile * kWidth : nullptr;
    if (!scales)
      for (int k = 0; k < kWidth; ++k) lanes[k] = std::abs(p[k]);
    else if ((tile + 1) * kWidth <= atoms_)
      for (int k = 0; k < kWidth; ++k) lanes[k] = std::abs(p[k]) * scales[k];
    else
      for (int k = 0; k < kWidth; ++k)
        lanes[k] = tile * kWidth + k < atoms_ ? std::abs(p[k]) * scales[k] : 0;
    // NaN is never the largest: the first operand may be one.
    for (int k = 0; k < kWidth; ++k) lanes[k] = lanes[k] > 0 ? lanes[k] : 0;
#pragma GCC unroll 5
    for (int half = kWidth / 2; half > 0; half /= 2)
      for (int k = 0; k < half; ++k)
        lanes[k] = lanes[k] > lanes[k + half] ? lanes[k] : lanes[k + half];
    return lanes[0];
  }
  void set_aside(int64_t atom, bool aside) {
    const uint32_t bit = 1u << atom % kWidth;
    uint32_t& mask = masks_[atom / kWidth];
    mask = aside ? mask | bit : mask & ~bit;
    grown_[atom / kWidth] = std::numeric_limits<T>::infinity();
  }

  const int64_t atoms_, tiles_;
  const T *const scales_, *const *const rows_, *const w_;
  const T* p0_ = nullptr;
  T* p_;
  T *found_, *grown_;   // of a tile: its largest score in p_, and what it may differ by
  T *seen_, *largest_;  // of a row: its coefficient so far, its largest element
  T* peaks_;            // of a row and a tile
  uint32_t* masks_;
  int64_t count_ = 0, taken_ = 0;  // rows, and those in p_
  double size_ = 0;
  T largest_score_ = 0, rounding_ = 0;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
