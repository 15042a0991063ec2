#include "ops/optimizers/step_along.h"

#include <vector>

#include "core/composer.h"
#include "ops/elementwise/linear_combination.h"
#include "ops/elementwise/map.h"
#include "ops/products/shared/part.h"
#include "ops/reductions/norms.h"

namespace orthokit {
namespace {

// out = the lengths of lists of `each` tensors.
void set_lengths(const List<View>& x, int64_t each, const View& out, Composer& c) {
  if (each == 1) return c.run(Norms{.x = x, .out = out});
  const int64_t count = out.size();
  const View shares = c.temporary({x.count}, Dtype::kF64);
  c.run(Norms{.x = x, .out = shares});
  std::vector<View> lists;
  for (int64_t i = 0; i < count; ++i) lists.push_back(part(shares, i * each, {each}));
  c.run(Norms{.x = {lists.data(), count}, .out = out});
}

}  // namespace

void step_along(const StepAlong& op, Composer& c) {
  const int64_t count = op.out.count, told = op.told();
  if (told > 0) {
    const int64_t first = (op.coefficients.count - told) * count;
    set_lengths({op.terms.items + first, told * count}, count, op.term_lengths, c);
  }
  const List<View>& u = op.target();
  c.run(LinearCombination{.out = u, .terms = op.terms, .coefficients = op.coefficients});
  View length = op.length;
  if (!length && op.by != StepLength::kPlain) length = c.temporary({1}, Dtype::kF64);
  if (length) set_lengths(u, count, length, c);
  if (op.moves()) {
    Factor s(op.amount);
    if (op.by != StepLength::kPlain) {
      const bool is_within = op.by == StepLength::kWithin;
      const View inverse = c.temporary({1}, Dtype::kF64), held = c.temporary({1}, Dtype::kF64);
      c.run(Norms{.x = {length}, .out = inverse, .result = NormResult::kInverse});
      const auto hold = [&](const View& x, const View& out, double most) {
        double limits[] = {0, most};
        c.run(Map{
            .out = {out}, .x = {x}, .function = MapFunction::kClamp, .parameters = {limits, 2}});
      };
      hold(inverse, held, op.most_inverse());
      if (is_within) {
        c.run(LinearCombination{.out = {inverse}, .terms = {held}, .coefficients = {op.amount}});
        hold(inverse, held, 1);
      }
      s = Factor(is_within ? 1 : op.amount, held);
    }
    std::vector<View> terms(op.base.begin(), op.base.end());
    terms.insert(terms.end(), u.begin(), u.end());
    Factor factors[] = {Factor(1), s};
    c.run(LinearCombination{
        .out = op.out, .terms = {terms.data(), 2 * count}, .coefficients = {factors, 2}});
  }
  if (op.out_length) set_lengths(op.out, count, op.out_length, c);
}
ORTHOKIT_COMPOSITION(StepAlong, step_along);

}  // namespace orthokit
