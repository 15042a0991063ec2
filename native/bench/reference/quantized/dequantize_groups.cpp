#include "ops/quantized/dequantize_groups.h"

#include <algorithm>

#include "bench/reference/quantized/shared/unpacked.h"

namespace orthokit::bench {

static void dequantize_groups(const DequantizeGroups& op) {
  std::ranges::copy(unpacked(op.codes, op.scales, op.bits, op.out.shape[0], op.out.shape[1]),
                    values(op.out));
}
ORTHOKIT_REFERENCE(DequantizeGroups, dequantize_groups, 2);

}  // namespace orthokit::bench
