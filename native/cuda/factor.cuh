// Scalars that may live on the device.
#pragma once
#include "cuda/convert.cuh"

namespace orthokit::cuda {

// A Factor as a kernel's parameter; its value is read on the device, so nothing waits for it.
struct DeviceFactor {
  double value = 1;
  const void* by = nullptr;
  Dtype dtype = Dtype::kF64;  // of `by`: f32 or f64

  DeviceFactor() = default;
  explicit DeviceFactor(const Factor& f) : value(f.value), by(f.by.data), dtype(f.by.dtype) {}
  __device__ double operator()() const {
    if (!by) return value;
    return value * (dtype == Dtype::kF32 ? double(*static_cast<const float*>(by))
                                         : *static_cast<const double*>(by));
  }
};

}  // namespace orthokit::cuda
