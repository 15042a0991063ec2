#include "ops/rows/quantize_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/chunks.h"
#include "math/buckets.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The least and the largest of n elements, of ±0 the first; NaN where one is not finite.
template <class T>
static void range_of(const T* x, int64_t n, T* range) {
  constexpr int kLanes = 64;
  if (n == 0) return void(range[0] = range[1] = 0);
  T low[kLanes], high[kLanes], doubt[kLanes] = {};
  std::fill_n(low, kLanes, x[0]), std::fill_n(high, kLanes, x[0]);
  const auto take = [&](T v, int k) {
    low[k] = v < low[k] ? v : low[k], high[k] = v > high[k] ? v : high[k];
    doubt[k] += v * T(0);  // NaN of NaN and infinity
  };
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes)
    for (int k = 0; k < kLanes; ++k) take(x[j + k], k);
  for (int k = 0; j < n; ++j, ++k) take(x[j], k);
  T least = low[0], most = high[0], doubts = doubt[0];
  for (int k = 1; k < kLanes; ++k)
    least = std::min(least, low[k]), most = std::max(most, high[k]), doubts += doubt[k];
  if (doubts != 0) least = most = std::numeric_limits<T>::quiet_NaN();
  const auto first_zero = [=](T end) { return end == 0 ? *std::find(x, x + n, T(0)) : end; };
  range[0] = first_zero(least), range[1] = first_zero(most);
}

inline constexpr int64_t kCoded = 256;  // elements whose codes are found together

// Codes of n elements by the formula.
template <class T>
static void codes_of(const math::Bucket& bucket, const T* x, int64_t n, int levels,
                     int32_t* codes) {
  for (int64_t j = 0; j < n; ++j) codes[j] = math::code_of(bucket, double(x[j]), levels);
}

// Codes of f32 by a product in f32. Where one of them lies closer to the border of two codes than
// its error, which is below 2⁻¹⁴ of a code, the formula decides.
struct FastCodes {
  float low, inverse;
  bool fits;
  FastCodes(const float* range, int levels)
      : low(range[0]),
        inverse(float(double(levels) / (double(range[1]) - double(range[0])))),
        // The distance of the ends and its inverse have all digits.
        fits(inverse > 1e-30f && inverse < 1e30f) {}
  bool find(const float* x, int64_t n, int32_t* codes) const {
    constexpr float kNear = 0x1p-13f;
    int32_t doubts = 0;
    for (int64_t j = 0; j < n; ++j) {
      const float code = (x[j] - low) * inverse + 0.5f;
      const int32_t whole = int32_t(code);
      const float rest = code - float(whole);
      doubts |= int32_t(rest < kNear) | int32_t(rest > 1 - kNear);
      codes[j] = whole;
    }
    return doubts == 0;
  }
};

template <class T>
static void quantize_row(const T* x, const RowCodes& all, uint8_t* codes, T* range) {
  const int64_t n = all.columns;
  range_of(x, n, range);
  const math::Bucket bucket = math::bucket_of(double(range[0]), double(range[1]), all.levels);
  if (!(bucket.step > 0)) return void(std::fill_n(codes, all.width, uint8_t(0)));
  int32_t found[kCoded];
  for (int64_t at = 0; at < n; at += kCoded) {
    const int64_t size = std::min(kCoded, n - at);
    bool done = false;
    if constexpr (sizeof(T) == 4) {
      const FastCodes fast(range, all.levels);
      done = fast.fits && fast.find(x + at, size, found);
    }
    if (!done) codes_of(bucket, x + at, size, all.levels, found);
    if (all.is_packed()) {
      uint8_t* to = codes + at / 2;
      for (int64_t j = 0; j < size / 2; ++j) to[j] = uint8_t(found[2 * j] << 4 | found[2 * j + 1]);
      if (size % 2 != 0) to[size / 2] = uint8_t(found[size - 1] << 4);
    } else {
      for (int64_t j = 0; j < size; ++j) codes[at + j] = uint8_t(found[j]);
    }
  }
}

void quantize_rows(const QuantizeRows& op, Stream& stream) {
  if (op.guard && *op.guard.as<double>() != 0) return;
  const RowCodes all = row_codes(op.x, op.bits);
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, all.rows, all.columns, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        quantize_row(op.x.as<T>() + i * all.columns, all, op.codes.as<uint8_t>() + i * all.width,
                     op.ranges.as<T>() + 2 * i);
    });
  });
}
ORTHOKIT_KERNEL(QuantizeRows, quantize_rows);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
