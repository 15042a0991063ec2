#include "ops/optimizers/take_slices.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "cpu/chunks.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The slices of one matrix, in their order, to `chosen`; `order` is room for all of them.
static void choose(const double* scores, const Slices& s, int32_t* order, int32_t* chosen,
                   int32_t* places) {
  const auto score = [scores](int32_t i) { return std::isnan(scores[i]) ? HUGE_VAL : scores[i]; };
  std::iota(order, order + s.count(), 0);
  std::nth_element(order, order + s.taken, order + s.count(), [&](int32_t a, int32_t b) {
    return score(a) > score(b) || (score(a) == score(b) && a < b);
  });
  std::copy_n(order, s.taken, chosen);
  std::sort(chosen, chosen + s.taken);
  std::fill_n(places, s.count(), -1);
  for (int64_t p = 0; p < s.taken; ++p) places[chosen[p]] = int32_t(p);
}

template <class T>
static void take(const TakeSlices& op, const int32_t* chosen, Stream& stream) {
  const Slices s = op.slices();
  T *x = op.x.as<T>(), *out = op.out.as<T>();
  const T decay = T(op.decay);
  if (s.of_rows()) {
    for_rows(stream, s.batch * s.taken, s.columns, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        T *from = x + (i / s.taken * s.rows + chosen[i]) * s.columns, *to = out + i * s.columns;
        std::copy_n(from, s.columns, to);
        for (int64_t j = 0; j < s.columns; ++j) from[j] *= decay;
      }
    });
    return;
  }
  for_rows(stream, s.batch * s.rows, s.columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int32_t* own = chosen + i / s.rows * s.taken;
      T *from = x + i * s.columns, *to = out + i * s.taken;
      for (int64_t p = 0; p < s.taken; ++p) to[p] = from[own[p]], from[own[p]] *= decay;
    }
  });
}

void take_slices(const TakeSlices& op, Stream& stream) {
  const Slices s = op.slices();
  auto *order = stream.scratch<int32_t>(s.batch * s.count()),
       *chosen = stream.scratch<int32_t>(s.batch * s.taken);
  stream.parallel(s.batch, [&](int64_t i) {
    choose(op.scores.as<double>() + i * s.count(), s, order + i * s.count(), chosen + i * s.taken,
           op.places.as<int32_t>() + i * s.count());
  });
  visit(op.x.dtype, [&]<class T>() { take<T>(op, chosen, stream); });
}
ORTHOKIT_KERNEL(TakeSlices, take_slices);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
