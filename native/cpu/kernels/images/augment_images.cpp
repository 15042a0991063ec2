#include "ops/images/augment_images.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class S>
static void augment(const AugmentImages& op, Stream& stream) {
  using T = std::conditional_t<std::is_same_v<S, double>, double, float>;
  const AugmentedAxis down = op.rows(), across = op.columns();
  const int64_t rows = op.out.shape[1], columns = op.out.shape[2], channels = op.out.shape[3];
  const int64_t height = op.x.shape[1], width = op.x.shape[2];
  auto* taps = stream.scratch<AugmentedAxis::Tap>(columns);
  for (int64_t j = 0; j < columns; ++j) taps[j] = across.tap(across.resized(j));
  for_rows(stream, op.out.shape[0] * rows, columns * channels, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const AugmentedAxis::Tap tap = down.tap(down.resized(row % rows));
      const S* image = op.x.as<S>() + row / rows * height * width * channels;
      const S *low = image + tap.low * width * channels,
              *high = image + tap.high * width * channels;
      S* out = op.out.as<S>() + row * columns * channels;
      const T below = T(tap.share), above = T(1 - tap.share);
      for (int64_t j = 0; j < columns; ++j) {
        const int64_t left = taps[j].low * channels, right = taps[j].high * channels;
        const T second = T(taps[j].share), first = T(1 - taps[j].share);
        // A share of 0 leaves its pixel unread: 0 times infinity is NaN.
        const auto between = [&](const S* line, int64_t c) {
          const T a = convert<T>(line[left + c]);
          return second == 0 ? a : first * a + second * convert<T>(line[right + c]);
        };
        for (int64_t c = 0; c < channels; ++c) {
          const T a = between(low, c);
          out[j * channels + c] = convert<S>(below == 0 ? a : above * a + below * between(high, c));
        }
      }
    }
  });
}

void augment_images(const AugmentImages& op, Stream& stream) {
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) augment<S>(op, stream);
  });
}
ORTHOKIT_KERNEL(AugmentImages, augment_images);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
