// Tensors' elements as doubles: what they start with, and how they are stored.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/op.h"

namespace orthokit::bench {

// The same on every machine. Inputs are bell-shaped around 0, with variance 1; second moments are
// not negative, counters of steps start at 0, other integers are indices below 10. Pure outputs
// start as NaN, or -77: what reads them, or forgets to write them, shows.
std::vector<double> seeded_values(const std::string& name, int64_t index, int role,
                                  const View& view);

std::vector<std::byte> encode(const std::vector<double>& values,
                              Dtype dtype);  // rounded to nearest
std::vector<double> decode(std::span<const std::byte> data, Dtype dtype);

}  // namespace orthokit::bench
