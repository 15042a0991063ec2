#include "ops/network/softmax_cross_entropy_backward.h"

#include "cpu/chunks.h"
#include "cpu/softmax.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void row_grad(const T* x, int64_t columns, int32_t label, double factor, T* grad) {
  if (label < 0 || label >= columns) {
    std::fill_n(grad, columns, label < 0 ? T(0) : std::numeric_limits<T>::quiet_NaN());
    return;
  }
  const T at_label = x[label], max = max_of(x, columns);
  const double sum = softmax(x, columns, max, factor, grad);
  grad[label] = T(factor * (double(exp_of_difference(at_label, max)) / sum - 1));
}

void softmax_cross_entropy_backward(const SoftmaxCrossEntropyBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.logits), columns = row_length(op.logits);
  const int32_t* labels = op.labels.as<int32_t>();
  const int64_t counted =
      std::count_if(labels, labels + rows, [](int32_t label) { return label >= 0; });
  const double factor = op.scale / double(std::max<int64_t>(1, counted));
  visit(op.logits.dtype, [&]<class T>() {
    for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        row_grad(op.logits.as<T>() + i * columns, columns, labels[i], factor,
                 op.grad.as<T>() + i * columns);
    });
  });
}
ORTHOKIT_KERNEL(SoftmaxCrossEntropyBackward, softmax_cross_entropy_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
