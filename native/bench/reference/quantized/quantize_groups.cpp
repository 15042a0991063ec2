#include "ops/quantized/quantize_groups.h"

#include <algorithm>

#include "bench/reference/quantized/shared/unpacked.h"

namespace orthokit::bench {

static void quantize_groups(const QuantizeGroups& op) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1], bytes = op.codes.shape[1],
                groups = op.scales.shape[1];
  const double levels = std::pow(2, double(op.bits - 1)) - 1;
  std::fill_n(values(op.codes), op.codes.size(), 0);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t group = columns / groups;
      const double* x = values(op.x) + i * columns + g * group;
      double most = 0;
      for (int64_t k = 0; k < group; ++k)
        most = std::isfinite(x[k]) ? std::max(most, std::abs(x[k])) : NAN;
      for (int64_t k = 0; k < group; ++k)
        if (!std::isfinite(x[k])) most = NAN;
      double& scale = values(op.scales)[i * groups + g];
      scale = double(float(most / levels));
      if (!std::isfinite(scale)) scale = NAN;
      if (!(scale > 0)) continue;
      for (int64_t k = 0; k < group; ++k) {
        const double code = std::clamp(std::nearbyint(x[k] / scale), -levels, levels);
        const int64_t index = int64_t(code) & ((1 << op.bits) - 1);
        for (int64_t bit = 0; bit < op.bits; ++bit) {
          const PlaceOfBit at = place_of_bit(columns, op.bits, g * group + k, bit);
          values(op.codes)[i * bytes + at.byte] += double((index >> bit & 1) << at.bit);
        }
      }
    }
}
ORTHOKIT_REFERENCE(QuantizeGroups, quantize_groups, kExact);

}  // namespace orthokit::bench
