#include "ops/network/gelu.h"

#include "bench/reference/reference.h"
#include "math/normal.h"

namespace orthokit::bench {

static void gelu(const Gelu& op) {
  for (int64_t i = 0; i < op.x.size(); ++i) {
    const double x = values(op.x)[i];
    const double inner = std::sqrt(2 / std::acos(-1.0)) * (x + math::kTanhGeluCubic * x * x * x);
    // (1 + tanh y) / 2 = 1 / (1 + e⁻²ʸ), which keeps its digits where tanh is near −1.
    const bool is_erf = op.form == GeluForm::kErf,
               is_zero =
                   x < 0 && (is_erf ? is_beyond_normal(x) : -2 * inner > -math::kLeastExponent);
    values(op.out)[i] = is_zero  ? -0.0
                        : is_erf ? x / 2 * std::erfc(-x / std::sqrt(2.0))
                                 : x / (1 + std::exp(-2 * inner));
  }
}
ORTHOKIT_REFERENCE(Gelu, gelu);

}  // namespace orthokit::bench
