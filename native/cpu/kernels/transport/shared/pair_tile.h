// Sums over the coordinates of points, for a tile of pairs, kept in registers.
#pragma once
#include <cstdint>

#include "cpu/vectors.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

using PairVector = Vector<double>;
inline constexpr int kPairLanes = kVectorSize<double>;
// As many sums as the registers hold beside one step's operands.
#if defined(__AVX512F__)
inline constexpr int kPairRows = 8, kPairVectors = 3;
#elif defined(__AVX2__)
inline constexpr int kPairRows = 4, kPairVectors = 3;
#else
inline constexpr int kPairRows = 4, kPairVectors = 2;
#endif
inline constexpr int kPairColumns = kPairVectors * kPairLanes;

// The term that a coordinate adds to a pair's sum.
struct SquareTerm {
  static constexpr bool kCentred = false;
  static void add(const PairVector& x, const PairVector& y, PairVector& sum) {
    const PairVector by = x - y;
    add_product<double>(by, by, sum);
  }
};
struct AbsoluteTerm {
  static constexpr bool kCentred = false;
  static void add(const PairVector& x, const PairVector& y, PairVector& sum) {
    using Bits __attribute__((vector_size(kVectorBytes))) = int64_t;
    constexpr int64_t kNoSign = INT64_MAX;
    sum += PairVector(Bits(x - y) & kNoSign);
  }
};
// y is centred here, x already.
struct ProductTerm {
  static constexpr bool kCentred = true;
  static void add(const PairVector& x, const PairVector& y, PairVector& sum) {
    add_product<double>(x, y, sum);
  }
};

// sums[r, c] of kPairRows points of x, whose coordinate k lie side by side in x[k], and
// kPairColumns of y, in y[k]; from 0, or on from what they are. In the order of the coordinates,
// whichever pairs are in a tile together.
template <class Term>
void sum_pairs(int64_t depth, const double* x, const double* y, const double* centre, bool begins,
               double* sums, int64_t stride) {
  PairVector sum[kPairRows][kPairVectors] = {};
  if (!begins)
    for (int r = 0; r < kPairRows; ++r)
      for (int v = 0; v < kPairVectors; ++v)
        load<double>(sums + r * stride + v * kPairLanes, sum[r][v]);
  for (int64_t k = 0; k < depth; ++k, x += kPairRows, y += kPairColumns) {
    PairVector row[kPairVectors];
#pragma GCC unroll 3
    for (int v = 0; v < kPairVectors; ++v) {
      load<double>(y + v * kPairLanes, row[v]);
      if constexpr (Term::kCentred) row[v] -= centre[k];
    }
#pragma GCC unroll 8
    for (int r = 0; r < kPairRows; ++r) {
      const PairVector own = x[r] - PairVector{};
#pragma GCC unroll 3
      for (int v = 0; v < kPairVectors; ++v) Term::add(own, row[v], sum[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kPairRows; ++r)
#pragma GCC unroll 3
    for (int v = 0; v < kPairVectors; ++v)
      store<double>(sum[r][v], sums + r * stride + v * kPairLanes);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
