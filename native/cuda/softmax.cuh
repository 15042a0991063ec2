// Parts of the softmax of one row; every thread of the team calls each.
#pragma once
#include "cuda/exp.cuh"
#include "cuda/rows.cuh"

namespace orthokit::cuda {

// The largest element, passing over NaN; −inf if there is none.
template <class Team, class T>
__device__ __forceinline__ T max_of(const Team& team, const T* x, int64_t columns) {
  T largest = Max::neutral<T>();
  team.visit(
      columns, [&](int64_t, T v) { largest = Max::combine(largest, v); }, x);
  return team.template reduce<Max>(largest);
}

// Σ exp(xⱼ − max). A row without a finite maximum gives NaN.
template <class Team, class T>
__device__ __forceinline__ double sum_of_exps(const Team& team, const T* x, int64_t columns,
                                              T max) {
  double sum = 0;
  team.visit(
      columns, [&](int64_t, T v) { sum += exp_of_negative(double(v) - double(max)); }, x);
  return team.sum(sum);
}

// The exponentials of a row while out holds them: those of f32 times 2⁶⁴, lest they lose digits to
// subnormal numbers before a large factor comes. What lies so far below the largest that they would
// nevertheless is 0, as on the CPU.
template <class T>
struct Stored {
  static constexpr bool kSingle = sizeof(T) == sizeof(float);
  static constexpr double kLift = kSingle ? 0x1p64 : 1,
                          kLeast = kSingle ? -120 : math::kLeastExponent;
  __device__ static double exponential(T x, T max) {
    const double difference = double(x) - double(max);
    return difference < kLeast ? 0 : exp_of_negative(difference);
  }
};

// out = factor · exp(x − max) / Σ exp(x − max). out may be x.
template <class Team, class T>
__device__ __forceinline__ void softmax(const Team& team, const T* x, int64_t columns, T max,
                                        double factor, T* out) {
  double sum = 0;
  const auto exponential = [&](int64_t, T v) {
    const double e = Stored<T>::exponential(v, max);
    sum += e;
    return T(e * Stored<T>::kLift);
  };
  team.map(columns, out, exponential, x);
  const double scale = factor / team.sum(sum) / Stored<T>::kLift;
  team.map(
      columns, out, [&](int64_t, T e) { return T(double(e) * scale); }, out);
}

}  // namespace orthokit::cuda
