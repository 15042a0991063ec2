#include "ops/images/augment_images.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void augment_images(const AugmentImages& op) {
  const int64_t height = op.x.shape[1], width = op.x.shape[2], channels = op.x.shape[3];
  const int64_t rows = op.out.shape[1], columns = op.out.shape[2];
  const bool is_whole = op.crop.count == 0;
  const double top = is_whole ? 0 : op.crop[0], left = is_whole ? 0 : op.crop[1],
               high = is_whole ? double(height) : op.crop[2],
               wide = is_whole ? double(width) : op.crop[3];
  // The pixel at a place between pixels of the crop, which goes on beyond its edges.
  const auto pixel = [&](int64_t n, double y, double x, int64_t c) {
    const auto row = int64_t(top + std::clamp(y, 0.0, high - 1)),
               column = int64_t(left + std::clamp(x, 0.0, wide - 1));
    return values(op.x)[((n * height + row) * width + column) * channels + c];
  };
  for (int64_t n = 0; n < op.out.shape[0]; ++n)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        for (int64_t c = 0; c < channels; ++c) {
          const double y = std::max(0.0, (double(i) + 0.5) * high / double(rows) - 0.5),
                       x = std::max(0.0, (double(j) + 0.5) * wide / double(columns) - 0.5);
          const double v = y - std::floor(y), u = x - std::floor(x);
          const auto along = [&](double line) {
            const double a = pixel(n, line, std::floor(x), c);
            return u == 0 ? a : (1 - u) * a + u * pixel(n, line, std::floor(x) + 1, c);
          };
          const double a = along(std::floor(y));
          const double value = v == 0 ? a : (1 - v) * a + v * along(std::floor(y) + 1);
          const int64_t turned = op.flip == Flip::kHorizontal ? columns - 1 - j : j;
          const int64_t row = (i + op.roll_down) % rows,
                        column = (turned + op.roll_right) % columns;
          values(op.out)[((n * rows + row) * columns + column) * channels + c] = value;
        }
}
ORTHOKIT_REFERENCE(AugmentImages, augment_images, 32);

}  // namespace orthokit::bench
