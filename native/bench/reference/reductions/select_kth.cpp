#include "ops/reductions/select_kth.h"

#include <algorithm>

#include "bench/reference/reference.h"

namespace orthokit::bench {

// NaN first, then from the largest on.
static bool comes_first(double a, double b) { return std::isnan(a) ? !std::isnan(b) : a > b; }

static double kth_of(std::vector<double> sizes, double rank) {
  if (rank > double(sizes.size())) return 0;
  std::sort(sizes.begin(), sizes.end(), comes_first);
  return sizes[size_t(rank) - 1];
}

static void select_kth(const SelectKth& op) {
  std::vector<double> sizes;
  for (int64_t t = 0; t < op.x.count; ++t) {
    for (int64_t i = 0; i < op.x[t].size(); ++i) sizes.push_back(std::abs(values(op.x[t])[i]));
    if (op.scope == SelectScope::kList) continue;
    values(op.out)[t] = kth_of(sizes, op.ranks[t]);
    sizes.clear();
  }
  if (op.scope == SelectScope::kList) values(op.out)[0] = kth_of(sizes, op.ranks[0]);
}
ORTHOKIT_REFERENCE(SelectKth, select_kth, kExact);

}  // namespace orthokit::bench
