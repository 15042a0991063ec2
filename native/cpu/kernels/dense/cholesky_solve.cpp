#include "ops/dense/cholesky_solve.h"

#include "cpu/kernels/dense/shared/dense.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

template <class T>
void run(const CholeskySolve& op, Stream& stream) {
  const auto [batch, n, columns] = matrices(op.rhs);
  if (op.rhs.size() == 0) return;
  for_matrices(stream, batch, n, std::max(n, columns), [&](int64_t index, const auto& each) {
    const auto factor = matrix_map<T>(op.factor, index);
    const auto from = matrix_map<T>(op.rhs, index);
    auto to = matrix_map<T>(op.out, index);
    in_parts(each, to.cols(), kDenseBlock, [&](int64_t begin, int64_t size) {
      auto x = to.middleCols(begin, size);
      if (to.data() != from.data()) x = from.middleCols(begin, size);
      factor.template triangularView<eigen::Lower>().solveInPlace(x);
      factor.transpose().template triangularView<eigen::Upper>().solveInPlace(x);
    });
  });
}

}  // namespace

void cholesky_solve(const CholeskySolve& op, Stream& stream) {
  visit(op.rhs.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(CholeskySolve, cholesky_solve);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
