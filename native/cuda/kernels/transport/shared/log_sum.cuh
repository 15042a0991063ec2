// ln Σ exp(x) of terms that come one by one, its largest term apart: one exponential a term.
#pragma once
#include "cuda/device/fused.cuh"
#include "cuda/exp.cuh"

namespace orthokit::cuda {

struct LogSum {
  double most = -INFINITY, sum = 0;  // Σ exp(x − most)
  __device__ __forceinline__ void add(const LogSum& other) {
    if (other.most == -INFINITY) return;
    const double least = exp_of_negative(-fabs(other.most - most));
    const bool higher = other.most > most;
    sum = higher ? fused(sum, least, other.sum) : fused(other.sum, least, sum);
    most = higher ? other.most : most;
  }
  __device__ __forceinline__ void add(double x) { add({x, 1}); }
  __device__ double value() const { return most + log(sum); }
};

}  // namespace orthokit::cuda
