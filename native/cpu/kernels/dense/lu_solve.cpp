#include "ops/dense/lu_solve.h"

#include "cpu/kernels/dense/shared/dense.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

template <class T>
void run(const LuSolve& op, Stream& stream) {
  const auto [batch, n, columns] = matrices(op.rhs);
  if (op.rhs.size() == 0) return;
  for_matrices(stream, batch, n, std::max(n, columns), [&, n = n](int64_t index, const auto& each) {
    const auto lu = matrix_map<T>(op.lu, index);
    const auto from = matrix_map<T>(op.rhs, index);
    const int32_t* pivots = op.pivots.as<int32_t>() + index * n;
    auto to = matrix_map<T>(op.out, index);
    in_parts(each, to.cols(), kDenseBlock, [&](int64_t begin, int64_t size) {
      auto x = to.middleCols(begin, size);
      for (int64_t i = 0; i < n; ++i)
        if (pivots[i] >= 0 && pivots[i] < n)
          x.row(i) = from.row(pivots[i]).segment(begin, size);
        else
          x.row(i).setConstant(std::numeric_limits<T>::quiet_NaN());
      lu.template triangularView<eigen::UnitLower>().solveInPlace(x);
      lu.template triangularView<eigen::Upper>().solveInPlace(x);
    });
  });
}

}  // namespace

void lu_solve(const LuSolve& op, Stream& stream) {
  visit(op.rhs.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(LuSolve, lu_solve);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
