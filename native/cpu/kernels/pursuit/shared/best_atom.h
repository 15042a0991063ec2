// The atom that a pursuit chooses: largest score, then lowest index.
#pragma once
#include <algorithm>
#include <cmath>

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
struct BestAtom {
  T score = 0;
  int64_t index = -1;

  // Looks at |p| s of `count` atoms from `first` on; ranges come in order. NaN is never the
  // largest.
  void look(const T* p, const T* scales, int64_t first, int64_t count) {
    scales ? look<true>(p, scales + first, first, count) : look<false>(p, nullptr, first, count);
  }

 private:
  template <bool scaled>
  static T score_of(const T* p, const T* scales, int64_t j) {
    return scaled ? std::abs(p[j]) * scales[j] : std::abs(p[j]);
  }
  template <bool scaled>
  void look(const T* p, const T* scales, int64_t first, int64_t count) {
    constexpr int kLanes = 128 / sizeof(T);
    T lanes[kLanes] = {};
    int64_t j = 0;
    for (; j + kLanes <= count; j += kLanes)
      for (int k = 0; k < kLanes; ++k) {
        const T x = score_of<scaled>(p, scales, j + k);
        lanes[k] = x > lanes[k] ? x : lanes[k];
      }
    T most = 0;
    for (; j < count; ++j) most = std::max(most, score_of<scaled>(p, scales, j));
    for (T x : lanes) most = std::max(most, x);
    if (!(most > score)) return;
    score = most;
    int64_t at = 0;
    while (score_of<scaled>(p, scales, at) != most) ++at;
    index = first + at;
  }
};

// maxⱼ sⱼ |dⱼ|, of the squares |dⱼ|².
template <class T>
double largest_atom(const View& squares, const T* scales) {
  double largest = 0;
  for (int64_t j = 0; j < squares.size(); ++j)
    largest =
        std::max(largest, std::sqrt(squares.as<double>()[j]) * (scales ? double(scales[j]) : 1));
  return largest;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
