#include "ops/images/augment_images_backward.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct AugmentedShare {
  int64_t place;
  double share;
};

// Places that take from a pixel along an axis, and their shares of it, those of 0 left out:
// body(place, share).
template <class Body>
static void visit_places(const AugmentedAxis& axis, int64_t pixel, Body&& body) {
  for (int64_t i = axis.first(pixel); i < axis.last(pixel); ++i) {
    const double share = axis.share_of(axis.tap(i), pixel);
    if (share != 0) body(axis.place_of(i), share);
  }
}

template <class S>
static void augment_back(const AugmentImagesBackward& op, Stream& stream) {
  using T = std::conditional_t<std::is_same_v<S, double>, double, float>;
  const AugmentedAxis down = op.rows(), across = op.columns();
  const int64_t height = op.grad_x.shape[1], width = op.grad_x.shape[2];
  const int64_t rows = op.grad.shape[1], columns = op.grad.shape[2], channels = op.grad.shape[3];
  auto* ends = stream.scratch<int64_t>(width + 1);
  ends[0] = 0;
  for (int64_t x = 0; x < width; ++x) {
    ends[x + 1] = ends[x];
    visit_places(across, x, [&](int64_t, double) { ++ends[x + 1]; });
  }
  auto* shares = stream.scratch<AugmentedShare>(ends[width]);
  for (int64_t x = 0, at = 0; x < width; ++x)
    visit_places(across, x, [&](int64_t place, double share) { shares[at++] = {place, share}; });
  const int64_t images = op.grad.shape[0], line = width * channels;
  auto* sums = stream.scratch<T>(images * height * line);
  for_rows(stream, images * height, line, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      T* sum = sums + row * line;
      std::fill_n(sum, line, T(0));
      const S* image = op.grad.as<S>() + row / height * rows * columns * channels;
      visit_places(down, row % height, [&](int64_t place, double share) {
        const S* from = image + place * columns * channels;
        for (int64_t x = 0; x < width; ++x)
          for (int64_t e = ends[x]; e < ends[x + 1]; ++e) {
            const T factor = T(share * shares[e].share);
            const S* pixel = from + shares[e].place * channels;
            for (int64_t c = 0; c < channels; ++c)
              sum[x * channels + c] += factor * convert<T>(pixel[c]);
          }
      });
      S* out = op.grad_x.as<S>() + row * line;
      for (int64_t i = 0; i < line; ++i) out[i] = convert<S>(sum[i]);
    }
  });
}

void augment_images_backward(const AugmentImagesBackward& op, Stream& stream) {
  visit_storage(op.grad.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) augment_back<S>(op, stream);
  });
}
ORTHOKIT_KERNEL(AugmentImagesBackward, augment_images_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
