// Known work of the same kind, raced with a case.
#pragma once
#include "bench/case.h"
#include "bench/clock.h"

namespace orthokit::bench {

struct Baseline {
  std::string name;
  std::unique_ptr<Racer> racer;
};

// Products: OpenBLAS on one thread of the host, where one is installed; symmetric ones: the product
// that knows of no symmetry; Newton–Schulz, and steps with it: the same on each matrix by such
// products, unfused. Copies: memcpy on one thread (another device: a fill of as many bytes). What
// has many flops a byte: its reference, if that is quick. All else: a copy of as many bytes.
Baseline make_baseline(Case&, Device&, const Clock&);

}  // namespace orthokit::bench
