#include "ops/elementwise/rearrange.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void rearrange(const Rearrange& op) {
  const int64_t rank = op.rank();
  for (int64_t i = 0; i < op.x.size(); ++i) {
    // The element's place along each axis of x, then its number in out.
    std::vector<int64_t> place(size_t(rank), 0);
    int64_t rest = i, at = 0;
    for (int64_t k = rank - 1; k >= 0; --k)
      place[size_t(k)] = rest % op.size(k), rest /= op.size(k);
    for (double axis : op.axes) at = at * op.size(int64_t(axis)) + place[size_t(axis)];
    values(op.out)[at] = values(op.x)[i];
  }
}
ORTHOKIT_REFERENCE(Rearrange, rearrange, kExact);

}  // namespace orthokit::bench
