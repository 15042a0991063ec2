// Mean and deviation of a row.
#pragma once
#include "cuda/rows.cuh"

namespace orthokit::cuda {

struct Moments {
  double mean, inverse;  // 1 / √(variance + eps)
};

// In two passes: a mean that is large beside the deviation costs no digits.
template <class Team, class T>
__device__ __forceinline__ Moments moments_of(const Team& team, const T* x, int64_t columns,
                                              double eps) {
  double sum = 0, squares = 0;
  team.visit(
      columns, [&](int64_t, T v) { sum += double(v); }, x);
  const double mean = team.sum(sum) / double(columns);
  team.visit(
      columns, [&](int64_t, T v) { squares += (double(v) - mean) * (double(v) - mean); }, x);
  return {mean, rsqrt(team.sum(squares) / double(columns) + eps)};
}

}  // namespace orthokit::cuda
