#include "ops/network/add_bias.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void add_bias(const AddBias& op) {
  const int64_t columns = op.bias.size();
  for (int64_t i = 0; i < op.x.size(); ++i)
    values(op.out)[i] = values(op.x)[i] + values(op.bias)[i % columns];
}
ORTHOKIT_REFERENCE(AddBias, add_bias, 2);

}  // namespace orthokit::bench
