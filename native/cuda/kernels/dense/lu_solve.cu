#include "cuda/kernel.h"
#include "cuda/kernels/dense/shared/triangles.cuh"
#include "ops/dense/lu_solve.h"

namespace orthokit::cuda {

static void lu_solve(const LuSolve& op, Stream& stream) {
  visit(op.rhs.dtype, [&]<class T>() {
    solve_triangles<T, true>(stream, op.lu, op.rhs, op.out, op.pivots.as<int32_t>());
  });
}
ORTHOKIT_KERNEL(LuSolve, lu_solve);

}  // namespace orthokit::cuda
