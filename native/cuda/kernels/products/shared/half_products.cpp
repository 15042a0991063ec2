#include "cuda/kernels/products/shared/half_products.h"

#include <cmath>
#include <cstdlib>
#include <limits>

#include "cuda/kernels/products/shared/symmetric_choices.h"

namespace orthokit::cuda {

bool prefers_tiles(const Stream& stream, Dtype dtype, int64_t n, int64_t k) {
  const char* chosen = secure_getenv("ORTHOKIT_SYMMETRIC");
  if (chosen && std::string_view(chosen) == "tiles") return true;
  if (chosen && std::string_view(chosen) == "panels") return false;
  // The nearest measurement, in doublings of either side.
  double nearest = std::numeric_limits<double>::infinity(), panels = 1;
  for (const SymmetricChoice& c : kSymmetricChoices) {
    if (c.capability != stream.capability() || c.dtype != dtype) continue;
    const double distance =
        std::abs(std::log2(double(n) / double(c.n))) + std::abs(std::log2(double(k) / double(c.k)));
    if (distance < nearest) nearest = distance, panels = c.panels;
  }
  return panels >= 1;
}

}  // namespace orthokit::cuda
