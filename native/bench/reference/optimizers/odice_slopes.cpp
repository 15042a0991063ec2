#include "ops/optimizers/odice_slopes.h"

#include <limits>

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void odice_slopes(const OdiceSlopes& op) {
  const int64_t count = op.now.size();
  const bool is_pearson = op.dual == OdiceDual::kPearson;
  double* sums = values(op.sums);
  for (int k = 0; k < 4; ++k) sums[k] = 0;
  // Means of none.
  const double none = count > 0 ? 0 : std::numeric_limits<double>::quiet_NaN();
  sums[0] = none, sums[1] = op.backward ? none : 0;
  const auto slope = [&](double y) {
    if (is_pearson) return y != y ? y : std::max(y / 2 + 1, 0.0);
    if (y - 1 > 80) sums[3] += 1;
    return y - 1 > 80 ? std::exp(80.0) : std::exp(y - 1);
  };
  for (int64_t i = 0; i < count; ++i) {
    const double done = values(op.done)[i], goes = op.discount * (1 - done);
    const double r = values(op.rewards)[i];
    const double y = r + goes * values(op.target_next)[i] - values(op.now)[i];
    const double s = slope(y), positive = y < 0 ? 0 : y;
    const double weight = is_pearson && op.weight == OdiceWeight::kOdice ? positive : s;
    values(op.weights)[i] = weight > 100 ? 100 : weight;
    values(op.forward)[i] = -op.lambda / double(count) * s;
    values(op.fault)[i] = done == 0 || done == 1 ? 0 : std::numeric_limits<double>::quiet_NaN();
    sums[0] += y / double(count), sums[2] += values(op.weights)[i];
    if (!op.backward) continue;
    const double z = r + goes * values(op.next)[i] - values(op.target_now)[i];
    values(op.backward)[i] = op.lambda * op.eta / double(count) * goes * slope(z);
    sums[1] += z / double(count);
  }
}
ORTHOKIT_REFERENCE(OdiceSlopes, odice_slopes, 12);

}  // namespace orthokit::bench
