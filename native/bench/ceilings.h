// What the machine can do, measured beside each case.
#pragma once
#include "bench/case.h"
#include "bench/clock.h"

namespace orthokit::bench {

// Bytes per second of streams with the case's mix of reads and writes, and as large in all.
double stream_ceiling(const Case&, Device&, int threads, const Clock&);
// Flops per second of a product of square matrices.
double gemm_ceiling(Device&, Dtype, int64_t side, const Clock&);

}  // namespace orthokit::bench
