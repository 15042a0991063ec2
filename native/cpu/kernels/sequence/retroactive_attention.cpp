#include "ops/sequence/retroactive_attention.h"

#include "cpu/kernels/network/shared/attention_scores.h"
#include "cpu/kernels/network/shared/attention_unit.h"
#include "cpu/kernels/sequence/shared/window_arithmetic.h"
#include "cpu/kernels/sequence/shared/window_head.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

namespace {

template <class T>
void run_windows(const RetroactiveAttention& op, Stream& stream) {
  using Head = WindowHead<T, WindowArithmetic<T>>;
  const Slots slots(stream, Head::scratch(op) / int64_t(sizeof(double)));
  stream.parallel(op.streams() * op.heads, [&](int64_t pair) {
    const MovingWindow window(op.positions.as<int32_t>()[pair / op.heads], op.room());
    slots.borrow([&](double* slot) {
      Pieces pieces(slot);
      const int64_t count = Head(op, window, pair, pieces).run();
      if (op.recomputed) op.recomputed.as<int32_t>()[pair] = int32_t(count);
    });
  });
  for (int64_t b = 0; op.next && b < op.streams(); ++b)
    op.next.as<int32_t>()[b] = MovingWindow(op.positions.as<int32_t>()[b], op.room()).end();
}

}  // namespace

void retroactive_attention(const RetroactiveAttention& op, Stream& stream) {
  visit(op.q.dtype, [&]<class T>() { run_windows<T>(op, stream); });
}
ORTHOKIT_KERNEL(RetroactiveAttention, retroactive_attention);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
