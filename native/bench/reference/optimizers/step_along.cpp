#include "ops/optimizers/step_along.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static double length_of(const View* x, int64_t count) {
  long double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += long_sum_of_squares(values(x[i]), x[i].size());
  return double(std::sqrt(sum));
}

static void step_along(const StepAlong& op) {
  const int64_t count = op.out.count, terms = op.coefficients.count, first = terms - op.told();
  for (int64_t j = first; j < terms; ++j)
    values(op.term_lengths)[j - first] = length_of(op.terms.items + j * count, count);
  for (int64_t t = 0; t < count; ++t)
    for (int64_t i = 0; i < op.out[t].size(); ++i) {
      double sum = 0;
      for (int64_t j = 0; j < terms; ++j) {
        const Factor& c = op.coefficients[j];
        sum += c.value * (c.by ? *values(c.by) : 1) * values(op.terms[j * count + t])[i];
      }
      values(op.target()[t])[i] = sum;
    }
  const double length = length_of(op.target().items, count);
  if (op.length) *values(op.length) = length;
  if (op.moves())
    for (int64_t t = 0; t < count; ++t)
      for (int64_t i = 0; i < op.out[t].size(); ++i)
        values(op.out[t])[i] = values(op.base[t])[i] + op.factor(length) * values(op.sum[t])[i];
  if (op.out_length) *values(op.out_length) = length_of(op.out.items, count);
}
ORTHOKIT_REFERENCE(StepAlong, step_along, 8 + 2.0 * double(op.coefficients.count));

}  // namespace orthokit::bench
