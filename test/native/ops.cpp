#include "ops.h"

#include "core/registry.h"
#include "cpu/variant.h"

namespace orthokit::test {

static void composed(const Composed&, Composer& composer) { body(composer); }
ORTHOKIT_COMPOSITION(Composed, composed);

}  // namespace orthokit::test

namespace orthokit::cpu::inline ORTHOKIT_ISA {

static void run_hook(const test::Hook&, Stream&) { test::hook(); }
ORTHOKIT_KERNEL(test::Hook, run_hook);

static void parallel_failure(const test::ParallelFailure& op, Stream& stream) {
  stream.parallel(op.count, [&](int64_t i) {
    if (i == op.at) throw Error(ErrorCode::kArgument, "part " + std::to_string(i));
  });
}
ORTHOKIT_KERNEL(test::ParallelFailure, parallel_failure);

static void parts(const test::Parts& op, Stream& stream) {
  stream.parallel(op.count, [](int64_t i) { test::part(i); });
}
ORTHOKIT_KERNEL(test::Parts, parts);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
