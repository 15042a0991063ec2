#include "ops/reductions/segment_reduce.h"

#include <algorithm>

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/doubles.h"
#include "cpu/kernels/reductions/shared/reduction.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

namespace {
struct Results {
  double sum = 0, sizes = 0, largest = 0, xx = 0, xy = 0, yy = 0;
  Results& operator+=(const Results& other) {
    sum += other.sum, sizes += other.sizes, largest = larger(largest, other.largest);
    xx += other.xx, xy += other.xy, yy += other.yy;
    return *this;
  }
};
}  // namespace

// The largest |x| of n elements, none of them NaN.
template <class T>
static T max_of_sizes(const T* x, int64_t n) {
  constexpr int kLanes = 64;
  T lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int k = 0; k < kLanes; ++k) {
      const T size = std::abs(x[i + k]);
      lanes[k] = size > lanes[k] ? size : lanes[k];
    }
  for (; i < n; ++i) lanes[0] = std::max(lanes[0], std::abs(x[i]));
  return *std::max_element(lanes, lanes + kLanes);
}

inline constexpr int64_t kStep = 16;  // elements: two vectors, so that no sum waits for its last

// The running sums of one kind.
struct Sums {
  Eight even = {}, odd = {};
  double total() const { return total_of(even + odd); }
};

// One read; what is left beyond whole steps is filled up with zeros.
template <bool two, class T>
static Results block_results(const T* x, const T* y, int64_t n) {
  Sums sum, sizes, xx, xy, yy;
  const auto take = [&](const T* p, const T* q) {
    const auto half = [&](int64_t at, Eight Sums::*lanes) {
      Eight a, b, size;
      load_eight(p + at, a), select(a < 0, -a, a, size);
      sum.*lanes += a, sizes.*lanes += size, xx.*lanes += a * a;
      if constexpr (two) load_eight(q + at, b), xy.*lanes += a * b, yy.*lanes += b * b;
    };
    half(0, &Sums::even), half(kStep / 2, &Sums::odd);
  };
  const int64_t whole = n / kStep * kStep;
  for (int64_t i = 0; i < whole; i += kStep) take(x + i, y + (two ? i : 0));
  if (whole < n) {
    T rest_x[kStep] = {}, rest_y[kStep] = {};
    std::copy_n(x + whole, n - whole, rest_x);
    if (two) std::copy_n(y + whole, n - whole, rest_y);
    take(rest_x, rest_y);
  }
  // Sums of sizes are NaN only where an element is.
  const double size = sizes.total();
  const double largest = size == size ? double(max_of_sizes(x, n)) : size;
  return {sum.total(), size, largest, xx.total(), xy.total(), yy.total()};
}

template <class T>
static Results chunk_results(const View& x, const View* y, const Chunk& c) {
  T x_buffer[kBlock], y_buffer[kBlock];
  Results total;
  for (int64_t done = 0; done < c.size; done += kBlock) {
    const int64_t n = std::min(kBlock, c.size - done), at = c.begin + done;
    const T* a = load(x, at, n, x_buffer);
    total += y ? block_results<true>(a, load(*y, at, n, y_buffer), n)
               : block_results<false, T>(a, nullptr, n);
  }
  return total;
}

void segment_reduce(const SegmentReduce& op, Stream& stream) {
  const Chunks chunks(op.x, stream);
  auto* partial = stream.scratch<Results>(chunks.count());
  chunks.run([&](const Chunk& c) {
    const View &x = op.x[c.tensor], *y = op.y.count > 0 ? &op.y[c.tensor] : nullptr;
    const bool wide = x.dtype == Dtype::kF64 || (y && y->dtype == Dtype::kF64);
    partial[c.index] = wide ? chunk_results<double>(x, y, c) : chunk_results<float>(x, y, c);
  });
  const int64_t width = op.out.shape[1];
  chunks.reduce(partial, [&](int64_t t, const Results& r) {
    const double results[] = {r.sum, r.sizes, r.largest, r.xx, r.xy, r.yy};
    std::copy_n(results, width, op.out.as<double>() + t * width);
  });
}
ORTHOKIT_KERNEL(SegmentReduce, segment_reduce);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
