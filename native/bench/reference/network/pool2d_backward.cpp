#include "ops/network/pool2d_backward.h"

#include "bench/reference/network/shared/windows.h"

namespace orthokit::bench {

// add(element of gradX, its part of one element of grad).
static void for_parts(const Pool2dBackward& op, auto&& add) {
  const double area = double(op.size * op.size);
  for_windows(op.grad_x, op.grad, op.windows(), [&](int64_t from, int64_t to, int64_t number) {
    const double grad = values(op.grad)[from];
    if (op.kind == PoolKind::kAverage)
      add(to, grad / area);
    else if (values(op.places)[from] == double(number))
      add(to, grad);
  });
}

static void pool2d_backward(const Pool2dBackward& op) {
  for (int64_t i = 0; i < op.grad_x.size(); ++i)
    values(op.grad_x)[i] = op.beta == 0 ? 0 : op.beta * values(op.grad_x)[i];
  for_parts(op, [&](int64_t to, double part) { values(op.grad_x)[to] += part; });
}
ORTHOKIT_REFERENCE(Pool2dBackward, pool2d_backward, double(op.size* op.size) + 2);

// All that is added, which may cancel: what gradX held is no larger than the result and the rest.
static std::vector<double> terms_of(const Pool2dBackward& op, std::string_view) {
  std::vector<double> terms(size_t(op.grad_x.size()), 0.0);
  for (int64_t i = 0; i < op.grad_x.size(); ++i) terms[size_t(i)] = std::abs(values(op.grad_x)[i]);
  for_parts(op, [&](int64_t to, double part) { terms[size_t(to)] += 2 * std::abs(part); });
  return terms;
}
ORTHOKIT_TERMS(Pool2dBackward, terms_of);

}  // namespace orthokit::bench
