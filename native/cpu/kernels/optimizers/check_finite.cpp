#include "ops/optimizers/check_finite.h"

#include "cpu/kernels/optimizers/shared/finite.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void check_finite(const CheckFinite& op, Stream& stream) {
  const double tensors = count_not_finite(op.x, stream);
  if (tensors > 0 && op.action == NonFinite::kThrow)
    throw Error(ErrorCode::kArgument, "grads are not finite in " +
                                          std::to_string(int64_t(tensors)) + " of " +
                                          std::to_string(op.x.count) + " tensors");
  *op.guard.as<double>() = tensors;
  if (op.skipped && tensors > 0) *op.skipped.as<double>() += 1;
}
ORTHOKIT_KERNEL(CheckFinite, check_finite);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
