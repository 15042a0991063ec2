#include "ops/optimizers/place_slices.h"

#include <algorithm>

#include "cpu/chunks.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void place_row(const T* x, const int32_t* places, const Slices& s, int64_t row, T* out) {
  const int64_t matrix = row / s.rows;
  if (!s.of_rows()) {
    const int32_t* own = places + matrix * s.columns;
    const T* from = x + row * s.taken;
    for (int64_t j = 0; j < s.columns; ++j)
      out[j] = own[j] >= 0 && own[j] < s.taken ? from[own[j]] : T(0);
    return;
  }
  const int32_t place = places[row];
  if (place >= 0 && place < s.taken)
    std::copy_n(x + (matrix * s.taken + place) * s.columns, s.columns, out);
  else
    std::fill_n(out, s.columns, T(0));
}

void place_slices(const PlaceSlices& op, Stream& stream) {
  const Slices s = op.slices();
  visit(op.out.dtype, [&]<class T>() {
    for_rows(stream, s.batch * s.rows, s.columns, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row)
        place_row(op.x.as<T>(), op.places.as<int32_t>(), s, row, op.out.as<T>() + row * s.columns);
    });
  });
}
ORTHOKIT_KERNEL(PlaceSlices, place_slices);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
