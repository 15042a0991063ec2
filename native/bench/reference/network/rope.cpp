#include "ops/network/rope.h"

#include "bench/reference/operands.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {

namespace {

struct Angle {
  double cosine, sine;
  double moved;  // by how many units of f64 the angle rounds
};

// Of a position and pair k, in more digits than kernels have: those of an angle round as it is
// large, and the exponent's rounding is multiplied by the logarithm of the base.
Angle angle_of(const Rope& op, double position, int64_t k) {
  const long double power = std::log(static_cast<long double>(op.base)) * (-2 * double(k)) /
                            static_cast<long double>(op.width()),
                    angle = (op.turn == RopeTurn::kForward ? 1 : -1) * position * std::exp(power);
  return {double(std::cos(angle)), double(std::sin(angle)),
          double(std::abs(angle) * (1 + std::abs(power)))};
}

// body(first, second, the angle) for the two elements of each pair; null where it is copied.
template <class Body>
void for_pairs(const Rope& op, Body&& body) {
  const int64_t columns = row_length(op.x), width = op.width(), places = op.places();
  for (int64_t i = 0; i < row_count(op.x); ++i) {
    const double own = op.offsets ? values(op.offsets)[i / places] : 0;
    const double position = double(op.offset + i % places) + own;
    for (int64_t k = 0; k < width / 2; ++k) {
      const Angle angle = angle_of(op, position, k);
      for (int64_t head = 0; head < op.heads; ++head) {
        const bool halves = op.layout == RopeLayout::kHalves;
        const int64_t first = i * columns + head * width + (halves ? k : 2 * k);
        body(first, halves ? first + width / 2 : first + 1,
             head < op.turned_heads() ? &angle : nullptr);
      }
    }
  }
}

void rope(const Rope& op) {
  const double* x = values(op.x);
  double* out = values(op.out);
  for_pairs(op, [&](int64_t first, int64_t second, const Angle* angle) {
    const double a = x[first], b = x[second];
    out[first] = angle ? a * angle->cosine - b * angle->sine : a;
    out[second] = angle ? a * angle->sine + b * angle->cosine : b;
  });
}

}  // namespace

ORTHOKIT_REFERENCE(Rope, rope, op.x.dtype == Dtype::kF64 ? 8 : 4);

// Of an angle's rounding, in units of the arithmetic: either element of a pair moves by the other.
// Of two products, each of a factor that is rounded, which may cancel: half of what the growth is.
static std::vector<double> terms_of(const Rope& op, std::string_view) {
  std::vector<double> terms(size_t(op.out.size()), 0.0);
  const double unit = unit_of(op.x.dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32),
               *out = values(op.out);
  for_pairs(op, [&](int64_t first, int64_t second, const Angle* angle) {
    if (!angle) return;
    const double moved = angle->moved * unit_of(Dtype::kF64) / unit, c = angle->cosine,
                 s = angle->sine, a = out[first] * c + out[second] * s,
                 b = out[second] * c - out[first] * s;
    terms[size_t(first)] = moved * std::abs(out[second]) + (std::abs(a * c) + std::abs(b * s)) / 2;
    terms[size_t(second)] = moved * std::abs(out[first]) + (std::abs(a * s) + std::abs(b * c)) / 2;
  });
  return terms;
}
ORTHOKIT_SOME_TERMS(Rope, terms_of);

}  // namespace orthokit::bench
