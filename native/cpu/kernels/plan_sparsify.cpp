#include "ops/plan_sparsify.h"

#include "cpu/transport.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

static constexpr int kExponents = 2048;  // of doubles: a bin of the histogram each
static int exponent_of(double x) { return int(std::bit_cast<uint64_t>(x) >> 52 & 2047); }
static double power_of(int exponent) { return std::ldexp(1.0, exponent - 1023); }

// The places, ascending, whose x is at least `least` or negative; how many there are.
static int64_t list_at_least(const double* x, int64_t n, double least, int32_t* places) {
  int64_t count = 0, j = 0;
#ifdef __AVX512VL__
  const __m512d bound = _mm512_set1_pd(least), zero = _mm512_setzero_pd();
  const __m256i first = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  for (; j + 8 <= n; j += 8) {
    const __m512d v = _mm512_loadu_pd(x + j);
    const __mmask8 kept =
        _mm512_cmp_pd_mask(v, bound, _CMP_GE_OQ) | _mm512_cmp_pd_mask(v, zero, _CMP_LT_OQ);
    if (!kept) continue;
    const __m256i at = _mm256_add_epi32(first, _mm256_set1_epi32(int32_t(j)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(places + count),
                        _mm256_maskz_compress_epi32(kept, at));
    count += std::popcount(unsigned(kept));
  }
#endif
  for (; j < n; ++j) places[count] = int32_t(j), count += x[j] >= least || x[j] < 0;
  return count;
}

struct Sparsify {
  const PlanSparsify& op;
  Stream& stream;
  const int64_t n = op.kernel.shape[0], m = op.kernel.shape[1];
  const int64_t capacity = op.columns.shape[0];
  const TransportPanels panels{n, m};
  const bool exact = op.threshold > 0;
  // What lies below makes at most a quarter of delta; a power of two, so that no bin is cut.
  const int least = std::max(1, exponent_of(op.delta / (4.0 * double(n) * double(m))));
  double* plan = stream.scratch<double>(panels.count() * m);
  int32_t* places = stream.scratch<int32_t>(panels.count() * (m + 8));
  int64_t* counts = stream.scratch<int64_t>(panels.count() + 1);
  int32_t* bins = stream.scratch<int32_t>(exact ? 0 : panels.count() * kExponents);
  double* row_most = stream.scratch<double>(n);
  int64_t* row_at = stream.scratch<int64_t>(n);
  double* most = stream.scratch<double>(panels.count() * m);  // of a panel's columns
  double* most_at = stream.scratch<double>(panels.count() * m);
  int32_t* forced_starts =
      stream.scratch<int32_t>(n + 1);  // columns kept for their own sake, by row
  int32_t* forced = stream.scratch<int32_t>(m);

  template <class T>
  void compute_row(int64_t i, double* row) const {
    const T* kernel = op.kernel.as<T>() + i * m;
    const double u = op.row_scale.as<double>()[i], *v = op.column_scale.as<double>();
    const Eight by = Eight{} + u, none{}, infinite = none + kInfinite;
    for_eights(m, [&](int64_t j, auto count) {
      Eight x, scale;
      load_some(kernel + j, count, 0, x), load_some(v + j, count, 0, scale);
      x = by * x * scale;
      x = x > none ? x : none;
      x = x < infinite ? x : none;
      store_some(x, count, row + j);
    });
  }

  template <class T>
  void scan_panel(int64_t p) const {
    double *row = plan + p * m, *column_most = most + p * m, *at = most_at + p * m;
    int32_t *list = places + p * (m + 8), *bin = bins + p * kExponents;
    counts[p] = 0;
    if (!exact) std::fill_n(bin, kExponents, 0), std::fill_n(column_most, m, 0.0);
    for (int64_t i = panels.begin(p); i < panels.end(p); ++i) {
      compute_row<T>(i, row);
      if (exact) {
        counts[p] += list_at_least(row, m, op.threshold, list);
        continue;
      }
      const Eight index = Eight{} + double(i);
      for_eights(m, [&](int64_t j, auto n) {
        Eight x, largest, place;
        load_some(row + j, n, 0, x), load_some(column_most + j, n, 0, largest);
        load_some(at + j, n, 0, place);
        place = x > largest ? index : place, largest = x > largest ? x : largest;
        store_some(largest, n, column_most + j), store_some(place, n, at + j);
      });
      const int64_t count = list_at_least(row, m, power_of(least), list);
      row_most[i] = 0, row_at[i] = 0;
      for (int64_t k = 0; k < count; ++k) {
        const double x = row[list[k]];
        ++bin[exponent_of(x)];
        if (x > row_most[i]) row_most[i] = x, row_at[i] = list[k];
      }
      if (count > 0) continue;
      for (int64_t j = 0; j < m; ++j)
        if (row[j] > row_most[i]) row_most[i] = row[j], row_at[i] = j;
    }
  }

  int64_t count_in_bin(int exponent) const {
    int64_t count = 0;
    for (int64_t p = 0; p < panels.count(); ++p) count += bins[p * kExponents + exponent];
    return count;
  }

  // The exponent of the threshold.
  int choose() const {
    double dropped = op.delta / 4;
    int64_t kept = 0;
    for (int e = least; e < kExponents; ++e) kept += count_in_bin(e);
    int exponent = least;
    for (; kept > 0; ++exponent) {
      const int64_t count = count_in_bin(exponent);
      dropped += double(count) * power_of(exponent + 1);
      if (count == kept || (count > 0 && dropped > op.delta)) break;
      kept -= count;
    }
    const int64_t room = std::max<int64_t>(0, capacity - n - m);
    for (; kept > room; ++exponent) kept -= count_in_bin(exponent);
    return exponent;
  }

  // The columns whose largest entry is below the threshold, by the row that it is in.
  void force_columns(double threshold) const {
    std::fill_n(forced_starts, n + 1, 0);
    const auto each = [&](auto&& f) {
      for (int64_t j = 0; j < m; ++j) {
        double largest = 0, at = 0;
        for (int64_t p = 0; p < panels.count(); ++p)
          if (most[p * m + j] > largest) largest = most[p * m + j], at = most_at[p * m + j];
        if (largest > 0 && largest < threshold) f(j, int64_t(at));
      }
    };
    each([&](int64_t, int64_t i) { ++forced_starts[i + 1]; });
    for (int64_t i = 0; i < n; ++i) forced_starts[i + 1] += forced_starts[i];
    each([&](int64_t j, int64_t i) { forced[forced_starts[i]++] = int32_t(j); });
    for (int64_t i = n; i > 0; --i) forced_starts[i] = forced_starts[i - 1];
    forced_starts[0] = 0;
  }
  bool is_forced(int64_t i, int64_t j) const {
    return std::binary_search(forced + forced_starts[i], forced + forced_starts[i + 1], int32_t(j));
  }
  bool forces_row(int64_t i, double threshold) const {
    return row_most[i] > 0 && row_most[i] < threshold && !is_forced(i, row_at[i]);
  }

  void count_panels(int exponent, double threshold) const {
    for (int64_t p = 0; p < panels.count(); ++p) {
      counts[p] = 0;
      for (int e = exponent; e < kExponents; ++e) counts[p] += bins[p * kExponents + e];
      counts[p] += forced_starts[panels.end(p)] - forced_starts[panels.begin(p)];
      for (int64_t i = panels.begin(p); i < panels.end(p); ++i)
        counts[p] += forces_row(i, threshold);
    }
  }

  template <class T>
  void write_panel(int64_t p, double threshold) const {
    double* row = plan + p * m;
    int32_t* list = places + p * (m + 8);
    int64_t at = counts[p];
    for (int64_t i = panels.begin(p); i < panels.end(p); ++i) {
      compute_row<T>(i, row);
      if (!exact) {
        for (int32_t k = forced_starts[i]; k < forced_starts[i + 1]; ++k)
          row[forced[k]] = -row[forced[k]];
        if (forces_row(i, threshold)) row[row_at[i]] = -row[row_at[i]];
      }
      const int64_t count = list_at_least(row, m, threshold, list);
      op.starts.as<int32_t>()[i] = int32_t(at);
      for (int64_t k = 0; k < count; ++k, ++at) {
        op.columns.as<int32_t>()[at] = list[k];
        op.values.as<double>()[at] = std::abs(row[list[k]]);
      }
    }
  }

  template <class T>
  void run() const {
    stream.parallel(panels.count(), [&](int64_t p) { scan_panel<T>(p); });
    double threshold = op.threshold;
    if (!exact) {
      const int exponent = choose();
      threshold = power_of(exponent);
      force_columns(threshold);
      count_panels(exponent, threshold);
    }
    int64_t total = 0;
    for (int64_t p = 0; p < panels.count(); ++p) {
      const int64_t count = counts[p];
      counts[p] = total, total += count;
    }
    op.statistics.as<double>()[0] = double(total), op.statistics.as<double>()[1] = threshold;
    if (total > capacity) {
      std::fill_n(op.starts.as<int32_t>(), n + 1, 0);
      return;
    }
    stream.parallel(panels.count(), [&](int64_t p) { write_panel<T>(p, threshold); });
    op.starts.as<int32_t>()[n] = int32_t(total);
  }
};

void plan_sparsify(const PlanSparsify& op, Stream& stream) {
  const Sparsify work{op, stream};
  visit(op.kernel.dtype, [&]<class T>() { work.run<T>(); });
}
ORTHOKIT_KERNEL(PlanSparsify, plan_sparsify);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
