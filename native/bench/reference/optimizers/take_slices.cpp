#include "ops/optimizers/take_slices.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void take_slices(const TakeSlices& op) {
  const bool rows = op.axis == SliceAxis::kRows;
  const int64_t batch = op.x.shape[0], m = op.x.shape[1], n = op.x.shape[2], count = rows ? m : n,
                taken = op.out.shape[rows ? 1 : 2];
  for (int64_t b = 0; b < batch; ++b) {
    const double* score = values(op.scores) + b * count;
    double* places = values(op.places) + b * count;
    int64_t place = 0;
    for (int64_t i = 0; i < count; ++i) {
      int64_t before = 0;
      for (int64_t j = 0; j < count; ++j) {
        const double own = std::isnan(score[i]) ? INFINITY : score[i],
                     other = std::isnan(score[j]) ? INFINITY : score[j];
        before += other > own || (other == own && j < i);
      }
      places[i] = before < taken ? double(place) : -1;
      if (before >= taken) continue;
      for (int64_t k = 0; k < (rows ? n : m); ++k) {
        double& from = values(op.x)[rows ? (b * m + i) * n + k : (b * m + k) * n + i];
        values(op.out)[rows ? (b * taken + place) * n + k : (b * m + k) * taken + place] = from;
        from *= op.decay;
      }
      ++place;
    }
  }
}
ORTHOKIT_REFERENCE(TakeSlices, take_slices, kElementwise);

}  // namespace orthokit::bench
