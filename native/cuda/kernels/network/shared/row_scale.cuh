// The factor of a row that divides it by its root mean square.
#pragma once
#include "cuda/rows.cuh"

namespace orthokit::cuda {

template <class Team, class S>
__device__ __forceinline__ double inverse_root(const Team& team, const S* x, int64_t columns,
                                               double eps) {
  double squares = 0;
  const auto add = [&](int64_t, S v) { squares += convert<double>(v) * convert<double>(v); };
  team.visit(columns, add, x);
  return 1 / sqrt(team.sum(squares) / double(columns) + eps);
}

}  // namespace orthokit::cuda
