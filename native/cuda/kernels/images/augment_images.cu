#include "cuda/matrix.cuh"
#include "ops/images/augment_images.h"

namespace orthokit::cuda {

// An element of a row of out, [columns, channels].
template <class S>
struct AugmentedRow {
  using T = std::conditional_t<std::is_same_v<S, double>, double, float>;
  const S* x;
  S* out;
  AugmentedAxis down, across;
  int64_t height, width, channels;

  __device__ T between(const S* line, const AugmentedAxis::Tap& tap, int64_t channel) const {
    const T a = convert<T>(line[tap.low * channels + channel]), share = T(tap.share);
    if (share == 0) return a;
    return T(1 - tap.share) * a + share * convert<T>(line[tap.high * channels + channel]);
  }
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    const int64_t image = row / down.count;
    const AugmentedAxis::Tap tap = down.tap(down.resized(row - image * down.count));
    const S* from = x + image * height * width * channels;
    for (int i = 0; i < N; ++i) {
      const int64_t column = (at + i) / channels, channel = at + i - column * channels;
      const AugmentedAxis::Tap along = across.tap(across.resized(column));
      T value = between(from + tap.low * width * channels, along, channel);
      if (T(tap.share) != 0)
        value = T(1 - tap.share) * value +
                T(tap.share) * between(from + tap.high * width * channels, along, channel);
      out[row * across.count * channels + at + i] = convert<S>(value);
    }
  }
};

static void augment_images(const AugmentImages& op, Stream& stream) {
  const auto run = [&]<class S>() {
    const AugmentedRow<S> body{op.x.as<S>(),  op.out.as<S>(), op.rows(),    op.columns(),
                               op.x.shape[1], op.x.shape[2],  op.x.shape[3]};
    for_matrix(stream, op.out.shape[0] * op.out.shape[1], op.out.shape[2] * op.out.shape[3], body);
  };
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) run.template operator()<S>();
  });
}
ORTHOKIT_KERNEL(AugmentImages, augment_images);

}  // namespace orthokit::cuda
