#include "ops/network/rope.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

static void rope(const Rope& op) {
  const int64_t columns = row_length(op.x), width = op.width(), places = op.places();
  for (int64_t i = 0; i < row_count(op.x); ++i) {
    const double own = op.offsets ? values(op.offsets)[i / places] : 0;
    const double position = double(op.offset + i % places) + own;
    const double* x = values(op.x) + i * columns;
    double* out = values(op.out) + i * columns;
    for (int64_t head = 0; head < op.heads; ++head)
      for (int64_t k = 0; k < width / 2; ++k) {
        const bool halves = op.layout == RopeLayout::kHalves;
        const int64_t first = head * width + (halves ? k : 2 * k),
                      second = halves ? first + width / 2 : first + 1;
        const double angle = (op.turn == RopeTurn::kForward ? 1 : -1) * position *
                             std::pow(op.base, -2 * double(k) / double(width));
        const double a = x[first], b = x[second];
        const bool turns = head < op.turned_heads();
        out[first] = turns ? a * std::cos(angle) - b * std::sin(angle) : a;
        out[second] = turns ? a * std::sin(angle) + b * std::cos(angle) : b;
      }
  }
}
// In f64 an angle rounds as it is large.
ORTHOKIT_REFERENCE(Rope, rope,
                   op.x.dtype == Dtype::kF64 ? 64 + 4 * double(op.offset + op.places()) : 4);

}  // namespace orthokit::bench
