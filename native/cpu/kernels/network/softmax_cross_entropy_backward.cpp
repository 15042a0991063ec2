#include "ops/network/softmax_cross_entropy_backward.h"

#include "cpu/chunks.h"
#include "cpu/kernels/network/shared/cross_entropy.h"
#include "cpu/softmax.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void set_row(T value, int64_t n, bool adds, T* out) {
  for (int64_t j = 0; j < n; ++j) out[j] = adds ? out[j] + value : value;
}

// The gradient of −scale · ln softmax at the label, where nothing is added.
template <class T>
static void plain_gradient(const T* x, int64_t columns, int32_t label, double scale, T* grad) {
  const T at_label = x[label], max = max_of(x, columns);
  const double sum = softmax(x, columns, max, scale, grad);
  grad[label] = T(scale * (double(exp_of_difference(at_label, max)) / sum - 1));
}

// result(block, at, n) for blocks of exp(x − max) in units, which it may change; its elements are
// set, or added to out.
template <class T, class Result>
static void for_exps(const T* x, int64_t columns, T max, bool adds, T* out, Result&& result) {
  T exps[kBlock];
  for (int64_t at = 0; at < columns; at += kBlock) {
    const int64_t n = std::min(kBlock, columns - at);
    for (int64_t j = 0; j < n; ++j) exps[j] = exp_of_difference(x[at + j], max);
    result(exps, at, n);
    for (int64_t j = 0; j < n; ++j) out[at + j] = adds ? out[at + j] + exps[j] : exps[j];
  }
}

template <class T>
static void general_gradient(const T* x, const T* weights, int64_t columns, int32_t label,
                             double scale, const LossFactors& factor, bool adds, T* grad) {
  const T at_label = x[label], max = max_of(x, columns);
  const double sum = sum_of_exps(x, columns, max) * double(kExpOfDifferenceUnit<T>);
  const double even = scale * factor.at_all;
  for_exps(x, columns, max, adds, grad, [&](T* exps, int64_t at, int64_t n) {
    multiply_by(scale * factor.total / sum, n, exps);
    if (even != 0)
      for (int64_t j = 0; j < n; ++j)
        exps[j] = T(double(exps[j]) - even * (weights ? double(weights[at + j]) : 1));
    if (label < at || label >= at + n) return;
    const double own = factor.at_all == 0 ? 0 : weights ? double(weights[label]) : 1;
    exps[label - at] = T(scale * (factor.total * (double(exp_of_difference(at_label, max)) / sum) -
                                  factor.at_label - factor.at_all * own));
  });
}

template <class T>
static void curvature(const T* x, const T* direction, int64_t columns, double scale, bool adds,
                      T* out) {
  const T max = max_of(x, columns);
  T exps[kBlock];
  double sum = 0, along = 0;
  for (int64_t at = 0; at < columns; at += kBlock) {
    const int64_t n = std::min(kBlock, columns - at);
    sum += exps_of(x + at, n, max, exps);
    along += sum_of(n, [&](int64_t j) { return double(exps[j]) * double(direction[at + j]); });
  }
  const double mean = along / sum, factor = scale / sum;
  for_exps(x, columns, max, adds, out, [&](T* values, int64_t at, int64_t n) {
    for (int64_t j = 0; j < n; ++j)
      values[j] = T(double(values[j]) * factor * (double(direction[at + j]) - mean));
  });
}

template <class T>
static void softmax_cross_entropy_backward(const SoftmaxCrossEntropyBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.terms.logits), columns = row_length(op.terms.logits);
  const int32_t* labels = op.terms.labels.as<int32_t>();
  const double scale = value_of(op.scale) / divisor_of(op.terms, counted_labels(op.terms.labels));
  const CrossEntropyFactors<T> factors(op.terms);
  const bool adds = op.beta != 0;
  for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const T* x = op.terms.logits.as<T>() + i * columns;
      T* grad = op.grad.as<T>() + i * columns;
      const int32_t label = labels[i];
      if (label < 0 || label >= columns)
        set_row(label < 0 ? T(0) : std::numeric_limits<T>::quiet_NaN(), columns, adds, grad);
      else if (op.direction)
        curvature(x, op.direction.as<T>() + i * columns, columns,
                  scale * factors.of(i, label).total, adds, grad);
      else if (factors.is_plain() && !adds)
        plain_gradient(x, columns, label, scale, grad);
      else
        general_gradient(x, factors.weights(), columns, label, scale, factors.of(i, label), adds,
                         grad);
    }
  });
}

void softmax_cross_entropy_backward(const SoftmaxCrossEntropyBackward& op, Stream& stream) {
  visit(op.terms.logits.dtype, [&]<class T>() { softmax_cross_entropy_backward<T>(op, stream); });
}
ORTHOKIT_WIDE_KERNEL(SoftmaxCrossEntropyBackward, softmax_cross_entropy_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
