#include "cuda/column_sums.cuh"
#include "cuda/matrix.cuh"
#include "ops/images/channel_statistics_loss.h"

namespace orthokit::cuda {

inline constexpr int kStatisticsThreads = 256;

// Of distances from the center, or from the first row without one, and of their squares.
template <class S>
struct ChannelDistances {
  const S* x;
  const double* center;
  int64_t channels;
  __device__ double middle(int64_t channel) const {
    return center ? center[channel] : convert<double>(x[channel]);
  }
  __device__ void operator()(int64_t row, int64_t channel, double (&sums)[2]) const {
    const double distance = convert<double>(x[row * channels + channel]) - middle(channel);
    sums[0] += distance, sums[1] += distance * distance;
  }
};

template <class S>
struct ChannelMoments {
  ChannelDistances<S> of;
  double *mean, *variance;
  double count;
  __device__ void operator()(int64_t channel, const double (&sums)[2]) const {
    const double moved = sums[0] / count, rest = (sums[1] - sums[0] * moved) / count;
    mean[channel] = of.middle(channel) + moved, variance[channel] = rest < 0 ? 0 : rest;
  }
};

// Both norms, the loss, and the factors of the gradient in place of the moments' distances.
template <class T>
__global__ void __launch_bounds__(kStatisticsThreads)
    statistics_loss_kernel(int64_t channels, double count, double weight, const T* mean,
                           const T* variance, const double* m, double* shift, double* spread,
                           double* loss) {
  double means = 0, variances = 0;
  for (int64_t c = int(threadIdx.x); c < channels; c += kStatisticsThreads) {
    shift[c] = m[c] - double(mean[c]), spread[c] -= double(variance[c]);
    means += shift[c] * shift[c], variances += spread[c] * spread[c];
  }
  means = sqrt(block_reduce<Sum>(means)), variances = sqrt(block_reduce<Sum>(variances));
  if (threadIdx.x == 0) loss[0] = weight * (variances + means);
  for (int64_t c = int(threadIdx.x); c < channels; c += kStatisticsThreads) {
    shift[c] = means == 0 ? 0 : weight / count * (shift[c] / means);
    spread[c] = variances == 0 ? 0 : 2 * weight / count * (spread[c] / variances);
  }
}

template <class S>
struct StatisticsGradient {
  const S* x;
  S* out;
  const double *m, *shift, *spread;
  int64_t channels;
  template <int N>
  __device__ void operator()(int64_t row, int64_t channel) const {
    for (int i = 0; i < N; ++i) {
      const int64_t at = row * channels + channel + i, c = channel + i;
      out[at] = convert<S>(shift[c] + spread[c] * (convert<double>(x[at]) - m[c]));
    }
  }
};

template <class S>
static void statistics_loss(const ChannelStatisticsLoss& op, Stream& stream) {
  using T = std::conditional_t<std::is_same_v<S, double>, double, float>;
  const int64_t rows = row_count(op.x), channels = row_length(op.x);
  double* numbers = stream.scratch<double>(4 * channels);
  double *m = numbers, *spread = m + channels, *shift = spread + channels,
         *center = shift + channels;
  ChannelDistances<S> of{op.x.as<S>(), nullptr, channels};
  if constexpr (std::is_same_v<S, double>) {
    sum_columns<2>(stream, rows, channels, of, ChannelMoments<S>{of, center, spread, double(rows)});
    of.center = center;
  }
  sum_columns<2>(stream, rows, channels, of, ChannelMoments<S>{of, m, spread, double(rows)});
  launch(stream, statistics_loss_kernel<T>, {1, kStatisticsThreads}, channels, double(rows),
         op.weight, op.mean.as<T>(), op.variance.as<T>(), m, shift, spread, op.loss.as<double>());
  if (op.grad_x)
    for_matrix(stream, rows, channels,
               StatisticsGradient<S>{op.x.as<S>(), op.grad_x.as<S>(), m, shift, spread, channels});
}

static void channel_statistics_loss(const ChannelStatisticsLoss& op, Stream& stream) {
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) statistics_loss<S>(op, stream);
  });
}
ORTHOKIT_KERNEL(ChannelStatisticsLoss, channel_statistics_loss);

}  // namespace orthokit::cuda
