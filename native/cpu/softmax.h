// Parts of the softmax of rows.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/ask_for.h"
#include "cpu/convert.h"
#include "cpu/exp_row.h"
#include "cpu/for_vectors.h"
#include "cpu/streaming.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The larger of a and b, or b where a is NaN.
template <class T>
__attribute__((always_inline)) inline void larger_of(const Vector<T>& a, const Vector<T>& b,
                                                     Vector<T>& out) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    out = Vector<T>(_mm512_max_ps(__m512(a), __m512(b)));
  else
    out = Vector<T>(_mm512_max_pd(__m512d(a), __m512d(b)));
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4)
    out = Vector<T>(_mm256_max_ps(__m256(a), __m256(b)));
  else
    out = Vector<T>(_mm256_max_pd(__m256d(a), __m256d(b)));
#else
  out = a > b ? a : b;
#endif
}

template <class T>
__attribute__((always_inline)) inline T largest_lane(const Vector<T>& v) {
#ifdef __AVX512F__
  if constexpr (sizeof(T) == 4)
    return _mm512_reduce_max_ps(__m512(v));
  else
    return _mm512_reduce_max_pd(__m512d(v));
#else
  constexpr int kSize = kVectorSize<T>;
  T lanes[kSize];
  store<T>(v, lanes);
#pragma GCC unroll 4
  for (int half = kSize / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k)
      lanes[k] = lanes[k + half] > lanes[k] ? lanes[k + half] : lanes[k];
  return lanes[0];
#endif
}

// The largest of n elements, passing over NaN; −inf if there is none.
template <class T>
T max_of(const T* x, int64_t n) {
  constexpr int kSize = kVectorSize<T>;
  constexpr T kNone = -std::numeric_limits<T>::infinity();
  Vector<T> most[4], v;
  for (auto& lanes : most) lanes = kNone - Vector<T>{};
  int64_t i = 0;
  for (; i + 4 * kSize <= n; i += 4 * kSize)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      load<T>(x + i + k * kSize, v);
      larger_of<T>(v, most[k], most[k]);
    }
  for_vectors<T>(n - i, [&](int64_t j, auto size) {
    load_part(x + i + j, size, kNone, v);
    larger_of<T>(v, most[0], most[0]);
  });
  larger_of<T>(most[0], most[1], most[0]);
  larger_of<T>(most[2], most[3], most[2]);
  larger_of<T>(most[0], most[2], most[0]);
  return largest_lane<T>(most[0]);
}

// The sum of the lanes of a register, in the order of total_of.
__attribute__((always_inline)) inline double total_of_lanes(const Vector<double>& lanes) {
#ifdef __AVX512F__
  return _mm512_reduce_add_pd(__m512d(lanes));
#else
  return total_of(lanes);
#endif
}

// A sum in f64 of registers of exponentials of a row. `add` is for rows of at most kMost elements;
// what it adds counts from `settle` on, which comes after kTogether additions at the latest.
template <class T>
struct ExpSum;
template <>
struct ExpSum<double> {
  static constexpr int64_t kMost = int64_t(1) << 40, kTogether = kMost;
  Vector<double> lanes{};
  __attribute__((always_inline)) void add(const Vector<double>& v) { lanes += v; }
  __attribute__((always_inline)) void add_one(const Vector<double>& v) { lanes += v; }
  void settle() {}
};
#ifdef __AVX2__
// Registers are added in f32, and what each addition rounds off, which is exact, beside them: that
// costs less than to widen each. An addition rounds off at most 2⁴¹, half a unit of kStart, so that
// additions of these parts round off 2⁻²⁴ · 2⁴¹ · (1 + … + kTogether) in each run of them: in all
// less than 0.4 · 2⁻²⁴ of a row's sum, which holds a largest exponential near 2⁶⁴. (A sum that
// outgrows kStart outgrows what is rounded off with it.)
template <>
struct ExpSum<float> {
  static constexpr int64_t kMost = int64_t(1) << 16, kTogether = 64;
  static constexpr float kStart = 0x1p65f;  // above all exponentials
  Vector<float> whole = kStart - Vector<float>{}, rest{};
  Vector<double> lanes{};
  __attribute__((always_inline)) void add(const Vector<float>& v) {
    const Vector<float> sum = whole + v;
    rest += v - (sum - whole);
    whole = sum;
  }
  __attribute__((always_inline)) void settle() {
    const Vector<float> start = kStart - Vector<float>{};
    add_one(whole - start), add_one(rest);
    whole = start, rest = Vector<float>{};
  }
  __attribute__((always_inline)) void add_one(const Vector<float>& v) {
#ifdef __AVX512F__
    lanes += Vector<double>(_mm512_cvtps_pd(_mm512_castps512_ps256(__m512(v)))) +
             Vector<double>(_mm512_cvtps_pd(_mm512_extractf32x8_ps(__m512(v), 1)));
#else
    lanes += Vector<double>(_mm256_cvtps_pd(_mm256_castps256_ps128(__m256(v)))) +
             Vector<double>(_mm256_cvtps_pd(_mm256_extractf128_ps(__m256(v), 1)));
#endif
  }
};
#endif

// put(v, size, j) for registers v = exps(x) of elements from j on, and lanes of their sum. Both
// functions come by value: what they hold stays in registers, whatever is written.
template <class T, class Exps, class Put>
__attribute__((always_inline)) inline void take_exps(const Exps exps, const T* x, int64_t n,
                                                     const Put put, Vector<double>& lanes) {
  constexpr int kSize = kVectorSize<T>;
  ExpSum<T> sum;
  Vector<T> v;
  // Memory brings what follows these elements, a row of as many most of the time, whose largest
  // one is looked for next. A longer row would push it out of the cache again.
  constexpr int64_t kAheadOf = kAhead / int64_t(sizeof(T)), kNear = (1 << 18) / int64_t(sizeof(T));
  const T* next = n > kAheadOf && n <= kNear ? x + (n - kAheadOf) : x;
  int64_t at = 0;
  for (const int64_t many = n > ExpSum<T>::kMost ? 0 : n; at + 4 * kSize <= many; sum.settle()) {
    const int64_t end = std::min(many, at + ExpSum<T>::kTogether * kSize);
    for (; at + 4 * kSize <= end; at += 4 * kSize)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        load<T>(x + at + k * kSize, v);
        ask_ahead(next + at + k * kSize);
        exps(v, v);
        put(v, std::integral_constant<int, kSize>(), at + k * kSize);
        sum.add(v);
      }
  }
  for_vectors<T>(n - at, [&](int64_t j, auto size) {
    load_part(x + at + j, size, -std::numeric_limits<T>::infinity(), v);
    exps(v, v);
    put(v, size, at + j);
    sum.add_one(v);
  });
  lanes = sum.lanes;
}

// out = exps(x), which may be x, and lanes of their sum.
template <class T, class Exps>
void set_exps(const Exps& exps, const T* x, int64_t n, T* out, Vector<double>& lanes) {
  if constexpr (std::is_base_of_v<FloatDifferences, Exps>) {
    for (int64_t i = 0; i < n; ++i) out[i] = exp_of_difference(x[i], exps.max);
    lanes = Vector<double>{sum_of(n, [out](int64_t i) { return double(out[i]); })};
  } else {
    take_exps(
        exps, x, n,
        [out](const Vector<T>& v, auto size, int64_t j) { store_part(v, size, out + j); }, lanes);
  }
}

// body(exps) with the exponentials that a row of this largest element takes.
template <class T, class Body>
auto with_exps(T max, Body&& body) {
  if constexpr (sizeof(T) == 4)
    if (!RowExps<T>::fits(max)) return body(FloatDifferences{max});
  return body(RowExps<T>(typename RowExps<T>::Row(max)));
}

// Sum of exps(x) in their units.
template <class T, class Exps>
double sum_of(const Exps& exps, const T* x, int64_t n) {
  Vector<double> lanes;
  if constexpr (!std::is_base_of_v<FloatDifferences, Exps>) {
    take_exps(
        exps, x, n, [](const Vector<T>&, auto, int64_t) {}, lanes);
    return total_of_lanes(lanes);
  } else {
    T block[kBlock];
    double sum = 0;
    for (int64_t at = 0; at < n; at += kBlock, sum += total_of_lanes(lanes))
      set_exps(exps, x + at, std::min(kBlock, n - at), block, lanes);
    return sum;
  }
}

// Σ exp(xᵢ − max). A row without a finite maximum gives NaN.
template <class T>
double sum_of_exps(const T* x, int64_t n, T max) {
  return with_exps(max, [=](const auto& exps) { return sum_of(exps, x, n) / exps.of_max(); });
}

// A factor, in f32 in two parts, by which products are rounded once where the processor fuses and
// the parts have all digits.
template <class T>
struct Scale {
  double all = 0;
  T high = 0, low = 0;
  Scale() = default;
  explicit Scale(double by) : all(by), high(T(by)), low(T(by - double(high))) {}
  bool fits() const {
    return sizeof(T) == 8 || (kHasFused && std::abs(all) > 1e-28 && std::abs(all) < 1e28);
  }
};

// out = scale · x. out may be x, or a line past the caches, of n whole registers.
template <class T>
void multiply_by(const Scale<T>& scale, const T* x, int64_t n, T* out, bool streams = false) {
  if (!scale.fits()) {
    for (int64_t i = 0; i < n; ++i) out[i] = T(double(x[i]) * scale.all);
    return;
  }
  const Vector<T> high = scale.high - Vector<T>{}, low = scale.low - Vector<T>{};
  const auto run = [=](const auto put) {
    for_vectors<T>(n, [=](int64_t j, auto size) {
      Vector<T> v, product;
      load_part(x + j, size, T(0), v);
      if constexpr (sizeof(T) == 8)
        product = v * high;
      else
        product = v * low, add_product<T>(v, high, product);
      put(product, size, out + j);
    });
  };
  if (streams)
    run([](const Vector<T>& v, auto, T* to) { stream_vector<T>(v, to); });
  else
    run([](const Vector<T>& v, auto size, T* to) { store_part(v, size, to); });
}

// Softmax of rows, times factors: some short rows at once, each step for all of them, so that none
// waits for what another one's lanes come to.
template <class T>
class SoftmaxRows {
 public:
  // Results beyond the caches pass them by, where x is not overwritten.
  SoftmaxRows(const T* x, int64_t rows, int64_t columns, T* out)
      : x_(x),
        columns_(columns),
        out_(out),
        streams_(x != out && rows * columns * int64_t(sizeof(T)) > kBeyondCaches &&
                 columns <= kHeld && columns % kVectorSize<T> == 0 && is_line(out)),
        together_(std::clamp<int64_t>(
            (streams_ ? kStreamed : kHeld) / std::max<int64_t>(1, columns), 1, kMost)) {}

  // Rows from `first` to the one before `last`. scale_of(row, exps, sum) is the factor of the row,
  // and may change its exponentials.
  template <class ScaleOf>
  void run(int64_t first, int64_t last, const ScaleOf& scale_of) const {
    alignas(kLine) T held[kHeld];
    T most[kMost];
    typename RowExps<T>::Row begun[kMost];
    Vector<double> lanes[kMost];
    Scale<T> scale[kMost];
    for (int64_t row = first; row < last; row += together_) {
      const int64_t count = std::min(together_, last - row);
      const T* x = x_ + row * columns_;
      T *out = out_ + row * columns_, *exps = streams_ ? held : out;
      for (int64_t r = 0; r < count; ++r) most[r] = max_of(x + r * columns_, columns_);
      bool fits = true;
      for (int64_t r = 0; r < count; ++r) {
        begun[r] = typename RowExps<T>::Row(most[r]);
        fits &= RowExps<T>::fits(most[r]);
      }
      for (int64_t r = 0; r < count; ++r) {
        const auto set = [&](const auto& exps_of) {
          set_exps(exps_of, x + r * columns_, columns_, exps + r * columns_, lanes[r]);
        };
        if (fits) [[likely]]
          set(RowExps<T>(begun[r]));
        else
          with_exps(most[r], set);
      }
      for (int64_t r = 0; r < count; ++r)
        scale[r] = Scale<T>(scale_of(row + r, exps + r * columns_, total_of_lanes(lanes[r])));
      for (int64_t r = 0; r < count; ++r)
        multiply_by(scale[r], exps + r * columns_, columns_, out + r * columns_, streams_);
    }
  }

 private:
  static constexpr int64_t kHeld = (1 << 14) / int64_t(sizeof(T)), kStreamed = kHeld / 4;
  static constexpr int64_t kMost = 16;
  const T* x_;
  int64_t columns_;
  T* out_;
  bool streams_;
  int64_t together_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
