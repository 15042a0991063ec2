// What is faster for a symmetric product of 16-bit numbers, kernels of our own or cuBLAS' panels, as
// measured. Written by `orthokit_bench --symmetric-choices --device cuda`, a line a measurement;
// where a kind of device has no line, our own kernels multiply.
#pragma once
#include <array>

#include "core/op.h"

namespace orthokit::cuda {

struct SymmetricChoice {
  int capability;  // 90 for sm_90
  Dtype dtype;
  int64_t n, k;
  double panels;  // their time over that of the tiles
};

inline constexpr std::array<SymmetricChoice, 0> kSymmetricChoices{};

}  // namespace orthokit::cuda
