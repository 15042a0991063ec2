#include "ops/optimizers/end_step.h"

#include <cmath>

#include "cpu/kernels/optimizers/shared/finite.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

[[gnu::noinline]] static void set_all(const List<View>& to, const View* from, Stream& stream) {
  const Chunks chunks(to, stream);
  chunks.run(
      [&](const Chunk& c) { convert_elements(from[c.tensor], to[c.tensor], c.begin, c.size); });
}

void end_step(const EndStep& op, Stream& stream) {
  double* record = op.record.as<double>();
  const int64_t count = op.sizes ? op.sizes.size() : 0;
  const double* sizes = op.sizes.as<double>();
  if (op.told && record[0] == 0) std::copy_n(sizes, count, op.told.as<double>());
  bool is_bad = op.watched.count > 0 && count_not_finite(op.watched, stream) > 0;
  for (int64_t i = 0; i < count; ++i) is_bad = is_bad || !std::isfinite(sizes[i]);
  if (is_bad) record[0] += 1;
  if (record[0] != 0) return set_all(op.kept, op.before.items, stream);
  set_all(op.former, op.state.items, stream);
  set_all(op.state, op.x.items, stream);
  record[1] = double(op.step);
}
ORTHOKIT_KERNEL(EndStep, end_step);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
