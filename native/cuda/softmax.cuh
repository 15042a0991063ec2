// What the softmax of one row is made of; every thread of the team calls each.
#pragma once
#include "cuda/rows.cuh"

namespace orthokit::cuda {

// exp(x) for x ≤ 0; 0 below −708, where the result would be subnormal; NaN for NaN.
__device__ __forceinline__ double exp_of_negative(double x) { return x < -708 ? 0 : exp(x); }

// The largest element, passing over NaN; −inf if there is none.
template <class Team, class T>
__device__ __forceinline__ T max_of(const Team& team, const T* x, int64_t columns) {
  T largest = Max::neutral<T>();
  team.each(columns, [&](int64_t j) { largest = Max::combine(largest, x[j]); });
  return team.template reduce<Max>(largest);
}

// Σ exp(xⱼ − max). A row without a finite maximum gives NaN.
template <class Team, class T>
__device__ __forceinline__ double sum_of_exps(const Team& team, const T* x, int64_t columns,
                                              T max) {
  double sum = 0;
  team.each(columns, [&](int64_t j) { sum += exp_of_negative(double(x[j]) - double(max)); });
  return team.sum(sum);
}

// out = factor · exp(x − max) / Σ exp(x − max), and that sum. out may be x.
template <class Team, class T>
__device__ __forceinline__ double softmax(const Team& team, const T* x, int64_t columns, T max,
                                          double factor, T* out) {
  double sum = 0;
  team.each(columns, [&](int64_t j) {
    const double e = exp_of_negative(double(x[j]) - double(max));
    out[j] = T(e);
    sum += e;
  });
  sum = team.sum(sum);
  const double scale = factor / sum;
  team.each(columns, [&](int64_t j) { out[j] = T(double(out[j]) * scale); });
  return sum;
}

}  // namespace orthokit::cuda
