// A stable radix sort of 32-bit keys that carry their positions.
#pragma once
#include "cuda/kernel.h"
#include "cuda/launch.cuh"

namespace orthokit::cuda {

struct Sorted {
  const uint32_t* keys;     // ascending
  const int64_t* position;  // of each before; ascending among equal keys
};

// `bits`: no key has a bit above them. The number of launches depends on it alone. As scratch
// memory; `keys` stay as they are.
Sorted sort(Stream& stream, const uint32_t* keys, int64_t count, int bits);

}  // namespace orthokit::cuda
