#include "ops/network/relu_backward.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void relu_backward(const ReluBackward& op) {
  for (int64_t i = 0; i < op.x.size(); ++i)
    values(op.out)[i] =
        (values(op.x)[i] > 0 ? values(op.grad)[i] : 0) + (op.beta == 0 ? 0 : values(op.out)[i]);
}
ORTHOKIT_REFERENCE(ReluBackward, relu_backward, op.beta == 0 ? kExact : kElementwise);

}  // namespace orthokit::bench
