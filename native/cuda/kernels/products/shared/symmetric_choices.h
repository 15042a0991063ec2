// Choice of the faster symmetric product of 16-bit numbers, by kernels of our own or cuBLAS'
// panels, as measured. For a kind of device without a line, our own kernels multiply.
#pragma once
#include "core/op.h"

namespace orthokit::cuda {

struct SymmetricChoice {
  int capability;  // 90 for sm_90
  Dtype dtype;
  int64_t n, k;
  double panels;  // their time over that of the tiles
};

inline constexpr SymmetricChoice kSymmetricChoices[] = {
    {0, Dtype::kF16, 1, 1, 1},  // no device: an array is not empty
#include "cuda/kernels/products/shared/symmetric_choices.inc"
};

}  // namespace orthokit::cuda
