#include "bench/values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace orthokit::bench {
namespace {

// So many indices name each row once, far from the last: what they gather is beyond the caches.
constexpr size_t kManyIndices = 8192, kStride = 7919;
constexpr size_t kEntriesOfRow = 3, kManyOfRow = 100;  // of a sparse matrix, and of a large one
// Operands that have no sign, or are not to be 0.
constexpr std::string_view kPositive[] = {
    "roots",    "squares",    "secondMoments",   "kernel",      "rowMass",
    "variance", "columnMass", "rowScale",        "columnScale", "rowSums",
    "values",   "energies",   "residualEnergies"};
// Matrices, and triangles that stand for one, which are far from singular.
constexpr std::string_view kDominated[] = {"gram", "factor", "lu"};

// SplitMix64: the finalizer of a counter.
uint64_t mix(uint64_t z) {
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

uint64_t seed_of(const std::string& name, int64_t index) {
  uint64_t hash = 1469598103934665603u;  // FNV-1a
  for (char c : name) hash = (hash ^ uint8_t(c)) * 1099511628211u;
  return mix(hash + uint64_t(index));
}

// The sum of four uniform numbers: bell-shaped, in (−2√3, 2√3).
double bell(uint64_t bits) {
  double sum = -2;
  for (int i = 0; i < 4; ++i) sum += (double(bits >> 16 * i & 0xffffu) + 0.5) / 65536;
  return std::sqrt(3.0) * sum;
}

template <class T>
T stored(double x) {
  if constexpr (std::is_same_v<T, Half>)
    return to_half(to_float_odd(x));
  else if constexpr (std::is_same_v<T, Bfloat16>)
    return to_bfloat16(to_float_odd(x));
  else
    return T(x);
}

template <class T>
double loaded(T x) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, Bfloat16>)
    return double(to_float(x));
  else
    return double(x);
}

}  // namespace

std::vector<double> seeded_values(const std::string& name, int64_t index, int role,
                                  const View& view) {
  std::vector<double> values(size_t(view.size()));
  const bool whole = !is_floating(view), positive = std::ranges::count(kPositive, name) > 0;
  if ((role & kInOut) == kOut) {
    const double unread = view.dtype == Dtype::kU8 ? 77
                          : whole                  ? -77
                                                   : std::numeric_limits<double>::quiet_NaN();
    values.assign(values.size(), unread);
    return values;
  }
  if (name == "steps" || name == "counts") return values;
  if (std::ranges::count(kDominated, name) > 0 && view.rank > 0) {
    // Symmetric and positive definite: what lies beside the diagonal adds up to less than it.
    const size_t n = size_t(view.shape[view.rank - 1]);
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t row = view.rank == 3 ? i / n % n : i / n, column = i % n,
                   low = std::min(row, column), high = std::max(row, column);
      values[i] = row == column ? 2 : bell(mix(low * n + high)) / (2 * double(n));
    }
    return values;
  }
  if (name == "products" && view.rank == 3) {  // of rows of four numbers, for each task
    constexpr size_t kWidth = 4;
    const size_t n = size_t(view.shape[1]), m = size_t(view.shape[2]);
    const auto number = [&](size_t task, size_t row, size_t i) {
      return bell(mix(seed_of(name, index) + ((task * n + row) * kWidth + i)));
    };
    for (size_t i = 0; i < values.size(); ++i)
      for (size_t j = 0; j < kWidth; ++j)
        values[i] += number(i / m / n, i / m % n, j) * number(i / m / n, i % m, j);
    return values;
  }
  if (name == "pivots" && view.rank > 0) {
    const int64_t n = view.shape[view.rank - 1];
    for (size_t i = 0; i < values.size(); ++i) values[i] = double(n - 1 - int64_t(i) % n);
    return values;
  }
  if (name == "rowBooks") {  // two bytes a row, the lower first: its codebook, of two
    for (size_t i = 0; i < values.size(); ++i) values[i] = i % 4 == 2 ? 1 : 0;
    return values;
  }
  if (name == "positions") {  // streams that fill caches of some hundred places
    for (size_t i = 0; i < values.size(); ++i) values[i] = 581 + double(i * kStride % 10);
    return values;
  }
  if (name == "starts") {
    const size_t each = values.size() < kManyIndices ? kEntriesOfRow : kManyOfRow;
    for (size_t i = 0; i < values.size(); ++i) values[i] = double(i * each);
    return values;
  }
  if (name == "columns" && values.size() >= kManyIndices) {
    for (size_t i = 0; i < values.size(); ++i) values[i] = double(mix(i) % kManyIndices);
    return values;
  }
  if (name == "index" && values.size() >= kManyIndices) {
    for (size_t i = 0; i < values.size(); ++i) values[i] = double(i * kStride % values.size());
    return values;
  }
  // An accumulator of the whole list is kept once a tensor: the same number each time.
  const uint64_t seed = seed_of(name, name == "squares" ? 0 : index),
                 most = name == "codes" ? 256 : 10;
  for (size_t i = 0; i < values.size(); ++i) {
    const uint64_t bits = mix(seed + 0x9e3779b97f4a7c15u * (i + 1));
    values[i] = whole ? double(bits % most) : positive ? std::abs(bell(bits)) : bell(bits);
  }
  return values;
}

std::vector<std::byte> encode(const std::vector<double>& values, Dtype dtype) {
  std::vector<std::byte> data(values.size() * bytes_of(dtype));
  visit_storage(dtype, [&]<class T>() {
    for (size_t i = 0; i < values.size(); ++i) {
      const T x = stored<T>(values[i]);
      std::memcpy(data.data() + i * sizeof(T), &x, sizeof(T));
    }
  });
  return data;
}

std::vector<double> decode(std::span<const std::byte> data, Dtype dtype) {
  std::vector<double> values(data.size() / bytes_of(dtype));
  visit_storage(dtype, [&]<class T>() {
    for (size_t i = 0; i < values.size(); ++i) {
      T x;
      std::memcpy(&x, data.data() + i * sizeof(T), sizeof(T));
      values[i] = loaded(x);
    }
  });
  return values;
}

}  // namespace orthokit::bench
