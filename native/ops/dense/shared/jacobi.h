// Jacobi's rotations, in rounds of pairs that have nothing in common.
#pragma once
#include <limits>

#include "ops/dense/shared/dense.h"

namespace orthokit {

inline constexpr int kMostSweeps = 40;
// Lines are orthogonal where their product is at most so many roundings, times the root of their
// length, of the product of their norms: a rotation leaves some roundings.
inline constexpr double kOrthogonalRoundings = 4;
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
