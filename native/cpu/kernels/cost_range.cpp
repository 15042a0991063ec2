#include "ops/cost_range.h"

#include "cpu/transport.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Bits of what a row or column offers.
enum Reach : uint8_t { kFinite = 1, kMass = 2 };  // a finite cost; one to a mass that is not 0

struct RangeOfPanel {
  double least = kInfinite, most = -kInfinite;
  int64_t bad = 0, forbidden = 0, bare_rows = 0, barred_rows = 0;
};

template <class T>
static void scan_row(const T* cost, const double* column_mass, int64_t columns, double mass,
                     uint8_t* reach, RangeOfPanel& range) {
  constexpr T kMost = std::numeric_limits<T>::infinity();
  T least = kMost, most = -kMost;
  int64_t bad = 0, forbidden = 0;
  uint8_t row = 0;
  const uint8_t to_row = mass > 0 ? kFinite | kMass : kFinite;
  for (int64_t j = 0; j < columns; ++j) {
    const T x = cost[j];
    const bool finite = x > -kMost && x < kMost, is_forbidden = x == kMost;
    least = finite && x < least ? x : least, most = finite && x > most ? x : most;
    forbidden += is_forbidden, bad += !finite && !is_forbidden;
    reach[j] |= finite ? to_row : uint8_t(0);
    row |= finite ? (column_mass[j] > 0 ? uint8_t(kFinite | kMass) : uint8_t(kFinite)) : uint8_t(0);
  }
  range.least = std::min(range.least, double(least)),
  range.most = std::max(range.most, double(most));
  range.bad += bad, range.forbidden += forbidden;
  if (mass > 0) range.bare_rows += !(row & kFinite), range.barred_rows += !(row & kMass);
}

void cost_range(const CostRange& op, Stream& stream) {
  const int64_t n = op.cost.shape[0], m = op.cost.shape[1];
  const TransportPanels panels(n, m);
  auto* reach = stream.scratch<uint8_t>(panels.count() * m);
  auto* range = stream.scratch<RangeOfPanel>(panels.count());
  const auto *r = op.row_mass.as<double>(), *c = op.column_mass.as<double>();
  visit(op.cost.dtype, [&]<class T>() {
    stream.parallel(panels.count(), [&](int64_t p) {
      std::fill_n(reach + p * m, m, uint8_t(0));
      range[p] = {};
      for (int64_t i = panels.begin(p); i < panels.end(p); ++i)
        scan_row(op.cost.as<T>() + i * m, c, m, r[i], reach + p * m, range[p]);
    });
  });
  RangeOfPanel all;
  for (int64_t p = 0; p < panels.count(); ++p) {
    all.least = std::min(all.least, range[p].least), all.most = std::max(all.most, range[p].most);
    all.bad += range[p].bad, all.forbidden += range[p].forbidden;
    all.bare_rows += range[p].bare_rows, all.barred_rows += range[p].barred_rows;
  }
  int64_t bare_columns = 0, barred_columns = 0;
  for (int64_t j = 0; j < m; ++j) {
    uint8_t column = 0;
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
