// Jacobi's rotations, in rounds of pairs that have nothing in common.
#pragma once
#include <limits>

#include "ops/dense/shared/dense.h"

namespace orthokit {

inline constexpr int kMostSweeps = 40;
// Two lines are turned where their product is more than so many roundings of the product of their
// norms: a rotation leaves some roundings. Sums of long lines may have more of them, so that a
// product of that times the root of the length is near enough once so many more sweeps are over.
inline constexpr double kOrthogonalRoundings = 5;
inline constexpr int kNearSweeps = 2;
enum class Angle { kRight, kNear, kOther };
template <class T>
constexpr Angle angle_of(double product, double norms, int64_t length) {
  const double small = kOrthogonalRoundings * double(std::numeric_limits<T>::epsilon()) * norms,
               size = product < 0 ? -product : product;
  if (!(size > small)) return Angle::kRight;
  return size * size > small * small * double(length) ? Angle::kOther : Angle::kNear;
}

// Of a matrix whose largest entry is near 1, a line no longer than this is what rounding has left:
// it is not turned, and a direction orthogonal to all others stands for its own.
template <class T>
inline constexpr double kNoise = double(std::numeric_limits<T>::epsilon());

// In the form of Rutishauser (1966): what it adds is small where the angle is, and so is its
// rounding.
template <class T>
struct Rotation {
  T sine = 0, half = 0;  // `half`: the tangent of half the angle
  constexpr void turn(T& x, T& y) const {
    const T a = x, b = y;
    x = a - sine * (b + half * a);
    y = b + sine * (a - half * b);
  }
};

// Pairs of a round of a tournament, in which each of n meets each other once in all rounds.
// `second` may be n, where n is odd: then `first` rests.
struct Pair {
  int64_t first, second;
};
constexpr int64_t pairs_of(int64_t n) { return (n + 1) / 2; }
constexpr int64_t rounds_of(int64_t n) { return n + n % 2 - 1; }
constexpr Pair pair_of(int64_t n, int64_t round, int64_t i) {
  const int64_t rounds = rounds_of(n), a = (round + i) % rounds,
                b = i == 0 ? rounds : (round - i + rounds) % rounds;
  return a < b ? Pair{a, b} : Pair{b, a};
}

}  // namespace orthokit
