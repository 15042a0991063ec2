#include "ops/optimizers/end_step.h"

#include <vector>

#include "core/composer.h"
#include "ops/elementwise/fill.h"
#include "ops/optimizers/check_finite.h"
#include "ops/optimizers/commit.h"

namespace orthokit {

void end_step(const EndStep& op, Composer& c) {
  const View guard = op.held(), number = c.temporary({1}, Dtype::kF64);
  if (op.told) c.run(Commit{.state = {op.told}, .x = {op.sizes}, .guard = guard});
  std::vector<View> watched(op.watched.begin(), op.watched.end());
  if (op.sizes) watched.push_back(op.sizes);
  if (!watched.empty())
    c.run(CheckFinite{
        .x = {watched.data(), int64_t(watched.size())}, .guard = number, .skipped = guard});
  if (op.kept.count > 0) {
    // 0 where the guard holds, else 1.
    const View free = c.temporary({1}, Dtype::kF64);
    c.run(Fill{.x = {free}, .value = 0});
    c.run(Fill{.x = {number}, .value = 1});
    c.run(Commit{.state = {free}, .x = {number}, .guard = guard});
    c.run(Commit{.state = op.kept, .x = op.before, .guard = free});
  }
  if (op.former.count > 0)
    c.run(Commit{.state = op.former, .x = {op.state.items, op.former.count}, .guard = guard});
  c.run(Fill{.x = {number}, .value = double(op.step)});
  std::vector<View> state(op.state.begin(), op.state.end()), x(op.x.begin(), op.x.end());
  state.push_back(op.last()), x.push_back(number);
  const auto count = int64_t(state.size());
  c.run(Commit{.state = {state.data(), count}, .x = {x.data(), count}, .guard = guard});
}
ORTHOKIT_COMPOSITION(EndStep, end_step);

}  // namespace orthokit
