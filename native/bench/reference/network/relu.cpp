#include "ops/network/relu.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void relu(const Relu& op) {
  for (int64_t i = 0; i < op.x.size(); ++i) {
    const double x = values(op.x)[i];
    values(op.out)[i] = std::isnan(x) || x > 0 ? x : 0;
  }
}
ORTHOKIT_REFERENCE(Relu, relu, kExact);

}  // namespace orthokit::bench
