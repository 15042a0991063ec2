#include "ops/transport/plan_sparsify.h"

#include <numeric>

#include "cpu/kernels/transport/shared/large_entries.h"
#include "cpu/kernels/transport/shared/transport.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

static constexpr double kLeastPositive = std::numeric_limits<double>::denorm_min();

struct Sparsify {
  const PlanSparsify& op;
  Stream& stream;
  const int64_t n = op.kernel.shape[0], m = op.kernel.shape[1];
  const int64_t capacity = op.columns.shape[0];
  const TransportPanels panels{n, m};
  const bool exact = op.threshold > 0;
  // Entries below it make at most a quarter of delta; a power of two, so that no bin is cut.
  const int least = std::max(1, exponent_of(op.delta / (4.0 * double(n) * double(m))));
  double* plan = stream.scratch<double>(panels.count() * (m + 8));
  int32_t* places = stream.scratch<int32_t>(panels.count() * (m + 8));
  int64_t* counts = stream.scratch<int64_t>(panels.count() + 1);
  // Bins and lists are for a threshold that is to be found. One look at the matrix finds the
  // entries that it may be below.
  int32_t* bins = stream.scratch<int32_t>(exact ? 0 : panels.count() * kExponents);
  double* row_most = stream.scratch<double>(exact ? 0 : n);
  LargeEntries* entries = stream.scratch<LargeEntries>(exact ? 0 : panels.count());
  const int64_t in_all = exact ? 0 : std::min(capacity, n* m);
  const int64_t room = in_all / std::max<int64_t>(1, panels.count());  // of a panel
  int32_t* columns = stream.scratch<int32_t>(panels.count() * (room + 8));
  double* values = stream.scratch<double>(panels.count() * (room + 8));
  int32_t* of_row = stream.scratch<int32_t>(exact ? 0 : n);
  uint8_t* met = stream.scratch<uint8_t>(exact ? 0 : panels.count() * m);  // a panel's columns
  // Rows and columns whose largest entry is kept for its own sake need others.
  int64_t* row_at = stream.scratch<int64_t>(exact ? 0 : n);
  double* most = stream.scratch<double>(exact ? 0 : panels.count() * m);  // of a panel's columns
  double* most_at = stream.scratch<double>(exact ? 0 : panels.count() * m);
  int32_t* forced_starts = stream.scratch<int32_t>(exact ? 0 : n + 1);  // columns, by row
  int32_t* forced = stream.scratch<int32_t>(exact ? 0 : m);

  // each(j, n, eight entries of row i), of which n count and the others are 0.
  template <class T, class Each>
  __attribute__((always_inline)) void for_entries(int64_t i, Each&& each) const {
    const T* kernel = op.kernel.as<T>() + i * m;
    const double* v = op.column_scale.as<double>();
    const Eight none{}, u = none + op.row_scale.as<double>()[i], infinite = none + kInfinite;
    for_eights(m, [&](int64_t j, auto count) {
      Eight x, scale;
      load_some(kernel + j, count, 0, x), load_some(v + j, count, 0, scale);
      x = u * x * scale;
      greater_of(x, none, x);
      select(x < infinite, x, none, x);
      each(j, count, x);
    });
  }

  // The places and values of row i from `bound` on.
  template <class T>
  int64_t list_row(int64_t i, double bound, int32_t* list, double* x) const {
    int64_t count = 0;
    for_entries<T>(i, [&](int64_t j, auto, const Eight& entry) {
      count += append_at_least(entry, bound, j, list + count, x + count);
    });
    return count;
  }

  template <class T>
  void count_panel(int64_t p) const {
    counts[p] = 0;
    for (int64_t i = panels.begin(p); i < panels.end(p); ++i)
      counts[p] += list_row<T>(i, op.threshold, places + p * (m + 8), plan + p * (m + 8));
  }

  template <class T>
  void scan_panel(int64_t p) const {
    // Neighbours are often in the same bin, whose count would wait for its last store.
    constexpr int kCounts = 4;
    int32_t counted[kExponents][kCounts] = {};
    LargeEntries large{columns + p * (room + 8), values + p * (room + 8), of_row + panels.begin(p),
                       room, least};
    for (int64_t i = panels.begin(p); i < panels.end(p); ++i) {
      Eight largest{};
      for_entries<T>(i, [&](int64_t j, auto, const Eight& x) {
        greater_of(x, largest, largest);
        if (!any_at_least(x, power_of_least)) return;
        double lanes[8];
        store_eight(x, lanes);
        for (int k = 0; k < 8; ++k) ++counted[exponent_of(lanes[k])][k % kCounts];
        large.add(x, j);
      });
      row_most[i] = largest_of(largest);
      large.end_row();
    }
    entries[p] = large;
    for (int e = 0; e < kExponents; ++e)
      bins[p * kExponents + e] = std::accumulate(counted[e], counted[e] + kCounts, 0);
  }
  const double power_of_least = power_of(least);

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
    const int64_t most_kept = std::max<int64_t>(0, capacity - n - m);
    for (; kept > most_kept; ++exponent) kept -= count_in_bin(exponent);
    return exponent;
  }

  // Writes what the scan has kept. False if that is not all: it may have left out something from
  // the threshold on, and each row and column that has an entry must have one that is written.
  bool writes_scanned(int exponent, double threshold) const {
    for (int64_t p = 0; p < panels.count(); ++p)
      if (entries[p].exponent > exponent) return false;
    for (int64_t i = 0; i < n; ++i)
      if (row_most[i] > 0 && row_most[i] < threshold) return false;
    stream.parallel(panels.count(), [&](int64_t p) { write_scanned(p, threshold); });
    for (int64_t j = 0; j < m; ++j) {
      bool is_met = !(op.column_scale.as<double>()[j] > 0);
      for (int64_t p = 0; p < panels.count() && !is_met; ++p) is_met = met[p * m + j];
      if (!is_met) return false;
    }
    return true;
  }
  void write_scanned(int64_t p, double threshold) const {
    const int32_t* column = entries[p].columns;
    const double* value = entries[p].values;
    int32_t* list = places + p * (m + 8);
    double* x = plan + p * (m + 8);
    int64_t at = counts[p];
    std::fill_n(met + p * m, m, uint8_t(0));
    for (int64_t i = panels.begin(p); i < panels.end(p); ++i) {
      op.starts.as<int32_t>()[i] = int32_t(at);
      int64_t count = 0;
      for (int64_t k = 0; k < of_row[i]; ++k, ++column, ++value)
        list[count] = *column, x[count] = *value, count += *value >= threshold;
      for (int64_t k = 0; k < count; ++k) met[p * m + list[k]] = 1;
      std::copy_n(list, count, op.columns.as<int32_t>() + at);
      std::copy_n(x, count, op.values.as<double>() + at);
      at += count;
    }
  }

  // The largest entries of a panel's columns, and where those of its rows are.
  template <class T>
  void find_largest(int64_t p, double threshold) const {
    double *column_most = most + p * m, *at = most_at + p * m;
    std::fill_n(column_most, m, 0.0);
    for (int64_t i = panels.begin(p); i < panels.end(p); ++i) {
      const Eight index = Eight{} + double(i);
      for_entries<T>(i, [&](int64_t j, auto size, const Eight& x) {
        Eight largest, place;
        load_some(column_most + j, size, 0, largest), load_some(at + j, size, 0, place);
        select(x > largest, index, place, place), greater_of(x, largest, largest);
        store_some(largest, size, column_most + j), store_some(place, size, at + j);
      });
      row_at[i] = 0;
      if (!(row_most[i] > 0 && row_most[i] < threshold)) continue;
      list_row<T>(i, row_most[i], places + p * (m + 8), plan + p * (m + 8));
      row_at[i] = places[p * (m + 8)];
    }
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

  template <class T>
  void write_panel(int64_t p, double threshold) const {
    double* x = plan + p * (m + 8);
    int32_t* list = places + p * (m + 8);
    int64_t at = counts[p];
    const auto put = [&](int32_t column, double value) {
      op.columns.as<int32_t>()[at] = column, op.values.as<double>()[at++] = value;
    };
    for (int64_t i = panels.begin(p); i < panels.end(p); ++i) {
      const bool is_whole =
          exact || (forced_starts[i] == forced_starts[i + 1] && !forces_row(i, threshold));
      const int64_t count = list_row<T>(i, is_whole ? threshold : kLeastPositive, list, x);
      op.starts.as<int32_t>()[i] = int32_t(at);
      for (int64_t k = 0; k < count; ++k)
        if (is_whole || x[k] >= threshold || is_forced(i, list[k]) ||
            (forces_row(i, threshold) && list[k] == row_at[i]))
          put(list[k], x[k]);
    }
  }

  // The sum of the panels' counts; each becomes the place of its first entry.
  int64_t place_panels() const {
    int64_t total = 0;
    for (int64_t p = 0; p < panels.count(); ++p) {
      const int64_t count = counts[p];
      counts[p] = total, total += count;
    }
    return total;
  }
  void count_panels(int exponent) const {
    for (int64_t p = 0; p < panels.count(); ++p)
      counts[p] = std::accumulate(bins + p * kExponents + exponent, bins + (p + 1) * kExponents,
                                  int64_t(0));
  }

  template <class T>
  void run() const {
    double threshold = op.threshold;
    bool is_written = false;
    int64_t total = 0;
    if (exact) {
      stream.parallel(panels.count(), [&](int64_t p) { count_panel<T>(p); });
      total = place_panels();
    } else {
      stream.parallel(panels.count(), [&](int64_t p) { scan_panel<T>(p); });
      const int exponent = choose();
      threshold = power_of(exponent);
      count_panels(exponent);
      total = place_panels();
      is_written = writes_scanned(exponent, threshold);
      if (!is_written) {
        stream.parallel(panels.count(), [&](int64_t p) { find_largest<T>(p, threshold); });
        force_columns(threshold);
        count_panels(exponent);
        for (int64_t p = 0; p < panels.count(); ++p) {
          counts[p] += forced_starts[panels.end(p)] - forced_starts[panels.begin(p)];
          for (int64_t i = panels.begin(p); i < panels.end(p); ++i)
            counts[p] += forces_row(i, threshold);
        }
        total = place_panels();
      }
    }
    op.statistics.as<double>()[0] = double(total), op.statistics.as<double>()[1] = threshold;
    if (total > capacity) {
      std::fill_n(op.starts.as<int32_t>(), n + 1, 0);
      return;
    }
    if (!is_written)
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
