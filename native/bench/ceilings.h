// Limits of the machine, measured beside each case.
#pragma once
#include "bench/case.h"
#include "bench/clock.h"

namespace orthokit::bench {

// Work that the machine cannot do faster, raced with the case: its amount ÷ its time is a ceiling.
struct Ceiling {
  std::unique_ptr<Racer> racer;  // null: none was asked for
  double amount = 0;             // bytes or flops of a round
};

// Streams with the case's mix of reads and writes, and as large in all.
Ceiling stream_ceiling(const Case&, Device&, int threads, const Clock&);
// A product of square matrices.
Ceiling gemm_ceiling(Device&, Dtype, int64_t side, const Clock&);

}  // namespace orthokit::bench
