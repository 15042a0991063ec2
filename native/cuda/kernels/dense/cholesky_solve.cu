#include "cuda/kernel.h"
#include "cuda/kernels/dense/shared/triangles.cuh"
#include "ops/dense/cholesky_solve.h"

namespace orthokit::cuda {

static void cholesky_solve(const CholeskySolve& op, Stream& stream) {
  visit(op.rhs.dtype,
        [&]<class T>() { solve_triangles<T, false>(stream, op.factor, op.rhs, op.out, nullptr); });
}
ORTHOKIT_KERNEL(CholeskySolve, cholesky_solve);

}  // namespace orthokit::cuda
