#include "ops/optimizers/place_slices.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void place_slices(const PlaceSlices& op) {
  const bool rows = op.axis == SliceAxis::kRows;
  const int64_t m = op.out.shape[1], n = op.out.shape[2], taken = op.x.shape[rows ? 1 : 2];
  for (int64_t k = 0; k < op.out.size(); ++k) {
    const int64_t b = k / (m * n), i = k / n % m, j = k % n;
    const auto place = int64_t(values(op.places)[rows ? b * m + i : b * n + j]);
    const bool inside = place >= 0 && place < taken;
    values(op.out)[k] =
        inside ? values(op.x)[rows ? (b * taken + place) * n + j : (b * m + i) * taken + place] : 0;
  }
}
ORTHOKIT_REFERENCE(PlaceSlices, place_slices, kExact);

}  // namespace orthokit::bench
