#include "ops/optimizers/end_step.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void set(const View& to, const View& from) {
  std::copy_n(values(from), from.size(), values(to));
}
static bool all_finite(const View& x) {
  return std::all_of(values(x), values(x) + x.size(), [](double v) { return std::isfinite(v); });
}

static void end_step(const EndStep& op) {
  double* record = values(op.record);
  if (op.told && record[0] == 0) set(op.told, op.sizes);
  bool finite = !op.sizes || all_finite(op.sizes);
  for (auto& x : op.watched) finite = finite && all_finite(x);
  record[0] += finite ? 0 : 1;
  if (record[0] != 0) {
    for (int64_t i = 0; i < op.kept.count; ++i) set(op.kept[i], op.before[i]);
    return;
  }
  for (int64_t i = 0; i < op.former.count; ++i) set(op.former[i], op.state[i]);
  for (int64_t i = 0; i < op.state.count; ++i) set(op.state[i], op.x[i]);
  record[1] = double(op.step);
}
ORTHOKIT_REFERENCE(EndStep, end_step, kExact);

}  // namespace orthokit::bench
