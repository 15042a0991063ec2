#include "cuda/matrix.cuh"
#include "ops/images/clamp_channels.h"

namespace orthokit::cuda {

template <class S>
struct ClampRow {
  const S* x;
  S* out;
  const double *low, *high;
  int64_t channels;
  template <int N>
  __device__ void operator()(int64_t row, int64_t channel) const {
    for (int i = 0; i < N; ++i) {
      const int64_t at = row * channels + channel + i;
      const S given = x[at];
      const double value = convert<double>(given);
      out[at] = value < low[channel + i]    ? convert<S>(low[channel + i])
                : value > high[channel + i] ? convert<S>(high[channel + i])
                                            : given;
    }
  }
};

static void clamp_channels(const ClampChannels& op, Stream& stream) {
  const int64_t channels = row_length(op.x);
  if (op.x.size() == 0) return;
  const double *low = stream.table(op.low.items, channels),
               *high = stream.table(op.high.items, channels);
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>)
      for_matrix(stream, row_count(op.x), channels,
                 ClampRow<S>{op.x.as<S>(), op.out.as<S>(), low, high, channels});
  });
}
ORTHOKIT_KERNEL(ClampChannels, clamp_channels);

}  // namespace orthokit::cuda
