#include "ops/elementwise/rearrange.h"

#include "cpu/chunks.h"
#include "cpu/kernels/elementwise/shared/transposition.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct Places {
  int64_t x = 0, out = 0;
};
static Places places_of(const RearrangePlan& plan, int64_t index) {
  Places at;
  for (int k = plan.rank - 1; k >= 0; --k) {
    const int64_t i = index % plan.size[k];
    index /= plan.size[k];
    at.x += i * plan.in_x[k], at.out += i * plan.in_out[k];
  }
  return at;
}

template <class Bits>
static void copy_runs(const Rearrange& op, const RearrangePlan& plan, Stream& stream) {
  const int64_t run = plan.size[plan.rank - 1];
  const RearrangePlan rest = plan.without(plan.rank - 1);
  for_rows(stream, rest.count(), run, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const Places at = places_of(rest, i);
      std::copy_n(op.x.as<Bits>() + at.x, run, op.out.as<Bits>() + at.out);
    }
  });
}

// Neighbours in x are not neighbours in out: both axes make transposed matrices, a band at a time.
template <class Bits>
static void copy_transposed(const Rearrange& op, const RearrangePlan& plan, Stream& stream) {
  const int inner = plan.inner(), last = plan.rank - 1;
  const RearrangePlan rest = plan.without(last).without(inner);
  const int64_t rows = plan.size[last], columns = plan.size[inner];
  const int64_t bands = (rows + kTile<Bits> - 1) / kTile<Bits>;
  for_rows(stream, rest.count() * bands, kTile<Bits> * columns, [&](int64_t first, int64_t end) {
    for (int64_t i = first; i < end; ++i) {
      const Places at = places_of(rest, i / bands);
      transpose_band(op.x.as<Bits>() + at.x, plan.in_x[last], op.out.as<Bits>() + at.out,
                     plan.in_out[inner], rows, columns, i % bands * kTile<Bits>, false);
    }
  });
}

void rearrange(const Rearrange& op, Stream& stream) {
  if (op.x.size() == 0) return;
  const RearrangePlan plan(op);
  visit_bits(op.x.dtype, [&]<class Bits>() {
    plan.in_x[plan.rank - 1] == 1 ? copy_runs<Bits>(op, plan, stream)
                                  : copy_transposed<Bits>(op, plan, stream);
  });
}
ORTHOKIT_KERNEL(Rearrange, rearrange);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
