#include "cuda/matrix.cuh"
#include "ops/images/augment_images_backward.h"

namespace orthokit::cuda {

// An element of a row of gradX, [width, channels]: it finds what it has a share in.
template <class S>
struct AugmentedRowBack {
  using T = std::conditional_t<std::is_same_v<S, double>, double, float>;
  const S* grad;
  S* grad_x;
  AugmentedAxis down, across;
  int64_t height, width, channels;

  __device__ T sum_at(const S* image, int64_t y, int64_t x, int64_t channel) const {
    T sum = 0;
    const int64_t bottom = down.last(y), right = across.last(x);
    for (int64_t i = down.first(y); i < bottom; ++i) {
      const double share = down.share_of(down.tap(i), y);
      if (share == 0) continue;
      const S* line = image + down.place_of(i) * across.count * channels;
      for (int64_t j = across.first(x); j < right; ++j) {
        const double other = across.share_of(across.tap(j), x);
        if (other != 0)
          sum += T(share * other) * convert<T>(line[across.place_of(j) * channels + channel]);
      }
    }
    return sum;
  }
  template <int N>
  __device__ void operator()(int64_t row, int64_t at) const {
    const int64_t image = row / height, y = row - image * height;
    const S* from = grad + image * down.count * across.count * channels;
    for (int i = 0; i < N; ++i) {
      const int64_t x = (at + i) / channels;
      grad_x[row * width * channels + at + i] =
          convert<S>(sum_at(from, y, x, at + i - x * channels));
    }
  }
};

static void augment_images_backward(const AugmentImagesBackward& op, Stream& stream) {
  visit_storage(op.grad.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) {
      const View& to = op.grad_x;
      const AugmentedRowBack<S> body{op.grad.as<S>(), to.as<S>(),  op.rows(),  op.columns(),
                                     to.shape[1],     to.shape[2], to.shape[3]};
      for_matrix(stream, to.shape[0] * to.shape[1], to.shape[2] * to.shape[3], body);
    }
  });
}
ORTHOKIT_KERNEL(AugmentImagesBackward, augment_images_backward);

}  // namespace orthokit::cuda
