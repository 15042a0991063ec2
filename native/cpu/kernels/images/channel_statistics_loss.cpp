#include "ops/images/channel_statistics_loss.h"

#include <cmath>

#include "cpu/chunks.h"
#include "cpu/kernels/network/shared/column_moments.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class S>
static void statistics_loss(const ChannelStatisticsLoss& op, Stream& stream) {
  using T = std::conditional_t<std::is_same_v<S, double>, double, float>;
  const int64_t rows = row_count(op.x), channels = row_length(op.x);
  const S* x = op.x.as<S>();
  const double count = double(rows);
  auto* center = stream.scratch<double>(3 * channels);
  double *variance = center + channels, *shift = variance + channels;
  column_moments(x, rows, channels, center, variance, stream);
  double means = 0, variances = 0;
  for (int64_t c = 0; c < channels; ++c) {
    shift[c] = center[c] - double(op.mean.as<T>()[c]);
    variance[c] -= double(op.variance.as<T>()[c]);
    means += shift[c] * shift[c], variances += variance[c] * variance[c];
  }
  means = std::sqrt(means), variances = std::sqrt(variances);
  op.loss.as<double>()[0] = op.weight * (variances + means);
  if (!op.grad_x) return;
  for (int64_t c = 0; c < channels; ++c) {
    shift[c] = means == 0 ? 0 : op.weight / count * (shift[c] / means);
    variance[c] = variances == 0 ? 0 : 2 * op.weight / count * (variance[c] / variances);
  }
  for_rows(stream, rows, channels, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t at = i * channels + c;
        op.grad_x.as<S>()[at] =
            convert<S>(shift[c] + variance[c] * (convert<double>(x[at]) - center[c]));
      }
  });
}

void channel_statistics_loss(const ChannelStatisticsLoss& op, Stream& stream) {
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) statistics_loss<S>(op, stream);
  });
}
ORTHOKIT_KERNEL(ChannelStatisticsLoss, channel_statistics_loss);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
