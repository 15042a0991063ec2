#include "ops/elementwise/linear_combination.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void linear_combination(const LinearCombination& op) {
  for (int64_t t = 0; t < op.out.count; ++t)
    for (int64_t i = 0; i < op.out[t].size(); ++i) {
      double sum = 0;
      for (int64_t j = 0; j < op.coefficients.count; ++j) {
        const Factor& c = op.coefficients[j];
        sum += c.value * (c.by ? *values(c.by) : 1) * values(op.terms[j * op.out.count + t])[i];
      }
      values(op.out[t])[i] = sum;
    }
}
ORTHOKIT_REFERENCE(LinearCombination, linear_combination, 2.0 * double(op.coefficients.count));

}  // namespace orthokit::bench
