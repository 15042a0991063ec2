#include "ops/images/channel_statistics_loss.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void channel_statistics_loss(const ChannelStatisticsLoss& op) {
  const int64_t channels = row_length(op.x), rows = row_count(op.x);
  const double* x = values(op.x);
  std::vector<double> m, shift, spread;
  for (int64_t c = 0; c < channels; ++c) {
    long double sum = 0, squares = 0;
    for (int64_t i = 0; i < rows; ++i) sum += x[i * channels + c];
    const long double mean = sum / rows;
    for (int64_t i = 0; i < rows; ++i)
      squares += (x[i * channels + c] - mean) * (x[i * channels + c] - mean);
    m.push_back(double(mean)), shift.push_back(double(mean - values(op.mean)[c]));
    spread.push_back(double(squares / rows - values(op.variance)[c]));
  }
  const double means = norm_of(shift.data(), channels),
               variances = norm_of(spread.data(), channels);
  values(op.loss)[0] = op.weight * (variances + means);
  for (int64_t i = 0; op.grad_x && i < rows * channels; ++i) {
    const auto c = size_t(i % channels);
    const double first = means == 0 ? 0 : shift[c] / means,
                 second = variances == 0 ? 0 : 2 * spread[c] / variances * (x[i] - m[c]);
    values(op.grad_x)[i] = op.weight / double(rows) * (first + second);
  }
}
ORTHOKIT_REFERENCE(ChannelStatisticsLoss, channel_statistics_loss,
                   growth_of_sum(row_count(op.x) + row_length(op.x)));

}  // namespace orthokit::bench
