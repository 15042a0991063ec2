#include "ops/transport/cost_range.h"

#include "cpu/kernels/transport/shared/transport.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Bits of what a row or column reaches.
enum Reach : uint8_t { kFinite = 1, kMass = 2 };  // a finite cost; one to a mass that is not 0

struct RangeOfPanel {
  double least = kInfinite, most = -kInfinite;
  int64_t bad = 0, forbidden = 0, bare_rows = 0, barred_rows = 0;
  uint8_t of_all = 0;  // what every column reaches, by rows that are finite throughout
};

template <class T>
struct CostScan {
  const double* column_mass;
  int64_t columns;
  uint8_t row_of_all;  // what a row that is finite throughout reaches

  void meet(RangeOfPanel& range, double mass, uint8_t row) const {
    if (mass > 0) range.bare_rows += !(row & kFinite), range.barred_rows += !(row & kMass);
  }

  // A row with elements that are not finite.
  void one_by_one(const T* cost, double mass, uint8_t to_row, uint8_t* reach,
                  RangeOfPanel& range) const {
    uint8_t row = 0;
    for (int64_t j = 0; j < columns; ++j) {
      const double x = double(cost[j]);
      if (std::isfinite(x)) {
        range.least = std::min(range.least, x), range.most = std::max(range.most, x);
        reach[j] |= to_row;
        row |= column_mass[j] > 0 ? uint8_t(kFinite | kMass) : uint8_t(kFinite);
      } else {
        ++(x > 0 ? range.forbidden : range.bad);
      }
    }
    meet(range, mass, row);
  }

  void row(const T* cost, double mass, uint8_t* reach, RangeOfPanel& range) const {
    const uint8_t to_row = mass > 0 ? kFinite | kMass : kFinite;
    Eight least = Eight{} + kInfinite, most = Eight{} - kInfinite, strange{};
    for_eights(columns, [&](int64_t j, auto count) {
      Eight x;
      load_some(cost + j, count, double(cost[0]), x);
      lesser_of(x, least, least), greater_of(x, most, most);
      select(x - x == 0, Eight{}, Eight{} + 1, x);
      strange += x;
    });
    if (total_of(strange) > 0) return one_by_one(cost, mass, to_row, reach, range);
    range.least = std::min(range.least, -largest_of(-least));
    range.most = std::max(range.most, largest_of(most));
    range.of_all |= to_row;
    meet(range, mass, row_of_all);
  }
};

void cost_range(const CostRange& op, Stream& stream) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  const TransportPanels panels(n, m);
  auto* reach = stream.scratch<uint8_t>(panels.count() * m);
  auto* range = stream.scratch<RangeOfPanel>(panels.count());
  const auto *r = op.row_mass.as<double>(), *c = op.column_mass.as<double>();
  uint8_t row_of_all = 0;
  for (int64_t j = 0; j < m; ++j) row_of_all |= c[j] > 0 ? kFinite | kMass : kFinite;
  visit(op.cost.dtype, [&]<class T>() {
    const CostScan<T> scan{c, m, row_of_all};
    stream.parallel(panels.count(), [&](int64_t p) {
      std::fill_n(reach + p * m, m, uint8_t(0));
      range[p] = {};
      for (int64_t i = panels.begin(p); i < panels.end(p); ++i)
        scan.row(op.cost.as<T>() + i * m, r[i], reach + p * m, range[p]);
    });
  });
  RangeOfPanel all;
  for (int64_t p = 0; p < panels.count(); ++p) {
    all.least = std::min(all.least, range[p].least), all.most = std::max(all.most, range[p].most);
    all.bad += range[p].bad, all.forbidden += range[p].forbidden;
    all.bare_rows += range[p].bare_rows, all.barred_rows += range[p].barred_rows;
    all.of_all |= range[p].of_all;
  }
  int64_t bare_columns = 0, barred_columns = 0;
  for (int64_t j = 0; j < m; ++j) {
    uint8_t column = all.of_all;
    for (int64_t p = 0; p < panels.count(); ++p) column |= reach[p * m + j];
    if (c[j] > 0) bare_columns += !(column & kFinite), barred_columns += !(column & kMass);
  }
  const bool any = all.least <= all.most;
  const double statistics[] = {any ? all.least : 0,     any ? all.most : 0,    double(all.bad),
                               double(all.forbidden),   double(all.bare_rows), double(bare_columns),
                               double(all.barred_rows), double(barred_columns)};
  std::copy_n(statistics, 8, op.statistics.as<double>());
}
ORTHOKIT_KERNEL(CostRange, cost_range);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
