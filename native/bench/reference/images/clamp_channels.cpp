#include "ops/images/clamp_channels.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void clamp_channels(const ClampChannels& op) {
  const int64_t channels = row_length(op.x);
  for (int64_t i = 0; i < op.x.size(); ++i) {
    const double x = values(op.x)[i];
    values(op.out)[i] =
        std::isnan(x) ? x : std::min(std::max(x, op.low[i % channels]), op.high[i % channels]);
  }
}
ORTHOKIT_REFERENCE(ClampChannels, clamp_channels, 2);

}  // namespace orthokit::bench
