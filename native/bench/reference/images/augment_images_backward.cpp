#include "ops/images/augment_images_backward.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

// Each element of grad goes to the four pixels that it was made of.
static void augment_images_backward(const AugmentImagesBackward& op) {
  const int64_t height = op.grad_x.shape[1], width = op.grad_x.shape[2],
                channels = op.grad_x.shape[3];
  const int64_t rows = op.grad.shape[1], columns = op.grad.shape[2];
  const bool is_whole = op.crop.count == 0;
  const double top = is_whole ? 0 : op.crop[0], left = is_whole ? 0 : op.crop[1],
               high = is_whole ? double(height) : op.crop[2],
               wide = is_whole ? double(width) : op.crop[3];
  std::fill_n(values(op.grad_x), op.grad_x.size(), 0.0);
  const auto give = [&](int64_t n, double y, double x, int64_t c, double share, double g) {
    const auto row = int64_t(top + std::clamp(y, 0.0, high - 1)),
               column = int64_t(left + std::clamp(x, 0.0, wide - 1));
    if (share != 0)
      values(op.grad_x)[((n * height + row) * width + column) * channels + c] += share * g;
  };
  for (int64_t n = 0; n < op.grad.shape[0]; ++n)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        for (int64_t c = 0; c < channels; ++c) {
          const int64_t turned = op.flip == Flip::kHorizontal ? columns - 1 - j : j;
          const int64_t row = (i + op.roll_down) % rows,
                        column = (turned + op.roll_right) % columns;
          const double g = values(op.grad)[((n * rows + row) * columns + column) * channels + c];
          const double y = std::max(0.0, (double(i) + 0.5) * high / double(rows) - 0.5),
                       x = std::max(0.0, (double(j) + 0.5) * wide / double(columns) - 0.5);
          const double at = std::floor(y), by = std::floor(x), v = y - at, u = x - by;
          give(n, at, by, c, (1 - v) * (1 - u), g);
          give(n, at, by + 1, c, (1 - v) * u, g);
          give(n, at + 1, by, c, v * (1 - u), g);
          give(n, at + 1, by + 1, c, v * u, g);
        }
}
ORTHOKIT_REFERENCE(AugmentImagesBackward, augment_images_backward, 128);

}  // namespace orthokit::bench
