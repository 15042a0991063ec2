#include "ops/images/clamp_channels.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void clamp_channels(const ClampChannels& op, Stream& stream) {
  const int64_t channels = row_length(op.x), rows = row_count(op.x);
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) {
      for_rows(stream, rows, channels, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          for (int64_t c = 0; c < channels; ++c) {
            const S given = op.x.as<S>()[i * channels + c];
            const double x = convert<double>(given);
            op.out.as<S>()[i * channels + c] = x < op.low[c]    ? convert<S>(op.low[c])
                                               : x > op.high[c] ? convert<S>(op.high[c])
                                                                : given;
          }
      });
    }
  });
}
ORTHOKIT_KERNEL(ClampChannels, clamp_channels);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
