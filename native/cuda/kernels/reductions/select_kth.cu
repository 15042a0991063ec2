#include "cuda/kernels/reductions/shared/select.cuh"
#include "ops/reductions/select_kth.h"

namespace orthokit::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads)
    write_selected_kernel(const SelectState* states, int count, double* out) {
  const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count)
    out[i] = states[i].exists ? double(math::size_of_key<T>(math::SizeKey<T>(states[i].found))) : 0;
}

template <class T>
void select_all(const SelectKth& op, Stream& stream) {
  const bool whole = op.scope == SelectScope::kList;
  const int count = whole ? 1 : int(op.x.count);
  if (count == 0) return;
  const Lists lists(stream, {op.x});
  std::vector<double> numbers(size_t(2 * count));
  for (int64_t t = 0; t < op.x.count; ++t)
    numbers[size_t(count + (whole ? 0 : t))] += double(op.x[t].size());
  for (int i = 0; i < count; ++i) numbers[size_t(i)] = op.ranks[i];
  const double* const ranks = stream.table(numbers.data(), int64_t(numbers.size()));
  const SelectState* const states =
      select_keys<T>(stream, lists, math::SizeOrder(), ranks, ranks + count, count, whole);
  launch(stream, write_selected_kernel<T>,
         {dim3(unsigned((count + kThreads - 1) / kThreads)), kThreads}, states, count,
         op.out.as<double>());
}

}  // namespace

static void select_kth(const SelectKth& op, Stream& stream) {
  op.is_wide() ? select_all<double>(op, stream) : select_all<float>(op, stream);
}
ORTHOKIT_KERNEL(SelectKth, select_kth);

}  // namespace orthokit::cuda
