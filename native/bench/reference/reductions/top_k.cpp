#include "ops/reductions/top_k.h"

#include <algorithm>
#include <numeric>

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void top_k(const TopK& op) {
  const double* x = values(op.x);
  const auto number = [&](int64_t i) {
    return op.order == TopOrder::kSize ? std::abs(x[i]) : x[i];
  };
  std::vector<int64_t> places(size_t(op.x.size()), 0);
  std::iota(places.begin(), places.end(), 0);
  std::ranges::stable_sort(places, [&](int64_t a, int64_t b) {
    const bool is_nan = std::isnan(x[a]);
    return is_nan ? !std::isnan(x[b]) : number(a) > number(b);
  });
  for (int64_t t = 0; t < op.count(); ++t) {
    values(op.index)[t] = double(places[size_t(t)]);
    if (op.values) values(op.values)[t] = x[places[size_t(t)]];
  }
}
ORTHOKIT_REFERENCE(TopK, top_k, kExact);

}  // namespace orthokit::bench
