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

// result(exps, at, n) for blocks of the row's exponentials in their units, which it may change;
// they are set, or added to out.
template <class T, class Exps, class Result>
static void for_exps(const Exps& exps_of, const T* x, int64_t columns, bool adds, T* out,
                     Result&& result) {
  T exps[kBlock];
  Vector<double> lanes;
  for (int64_t at = 0; at < columns; at += kBlock) {
    const int64_t n = std::min(kBlock, columns - at);
    set_exps(exps_of, x + at, n, exps, lanes);
    result(exps, at, n);
    for (int64_t j = 0; j < n; ++j) out[at + j] = adds ? out[at + j] + exps[j] : exps[j];
  }
}

template <class T, class Exps>
static void general_gradient(const Exps& exps_of, const T* x, const T* weights, int64_t columns,
                             int32_t label, double scale, const LossFactors& factor, bool adds,
                             T* grad) {
  const double sum = sum_of(exps_of, x, columns), even = scale * factor.at_all;
  for_exps(exps_of, x, columns, adds, grad, [&](T* exps, int64_t at, int64_t n) {
    const bool has_label = label >= at && label < at + n;
    const double at_label = has_label ? double(exps[label - at]) : 0;
    multiply_by(Scale<T>(scale * factor.total / sum), exps, n, exps);
    if (even != 0)
      for (int64_t j = 0; j < n; ++j)
        exps[j] = T(double(exps[j]) - even * (weights ? double(weights[at + j]) : 1));
    if (!has_label) return;
    const double own = factor.at_all == 0 ? 0 : weights ? double(weights[label]) : 1;
    exps[label - at] =
        T(scale * (factor.total * (at_label / sum) - factor.at_label - factor.at_all * own));
  });
}

template <class T, class Exps>
static void curvature(const Exps& exps_of, const T* x, const T* direction, int64_t columns,
                      double scale, bool adds, T* out) {
  T exps[kBlock];
  Vector<double> lanes;
  double sum = 0, along = 0;
  for (int64_t at = 0; at < columns; at += kBlock) {
    const int64_t n = std::min(kBlock, columns - at);
    set_exps(exps_of, x + at, n, exps, lanes);
    sum += total_of_lanes(lanes);
    along += sum_of(n, [&](int64_t j) { return double(exps[j]) * double(direction[at + j]); });
  }
  const double mean = along / sum, factor = scale / sum;
  for_exps(exps_of, x, columns, adds, out, [&](T* values, int64_t at, int64_t n) {
    for (int64_t j = 0; j < n; ++j)
      values[j] = T(double(values[j]) * factor * (double(direction[at + j]) - mean));
  });
}

// Gradients of −scale · ln softmax at the labels, where nothing is added.
template <class T>
static void plain_gradients(const SoftmaxCrossEntropyBackward& op, double scale, Stream& stream) {
  const int64_t rows = row_count(op.terms.logits), columns = row_length(op.terms.logits);
  const int32_t* labels = op.terms.labels.as<int32_t>();
  const SoftmaxRows<T> all(op.terms.logits.as<T>(), rows, columns, op.grad.as<T>());
  for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
    all.run(first, last, [=](int64_t row, T* exps, double sum) {
      const int32_t label = labels[row];
      if (label < 0 || label >= columns) {
        std::fill_n(exps, columns, label < 0 ? T(0) : std::numeric_limits<T>::quiet_NaN());
        return 1.0;
      }
      // A probability near 1 keeps the digits of its distance from 1.
      exps[label] = T(double(exps[label]) - sum);
      return scale / sum;
    });
  });
}

template <class T>
static void softmax_cross_entropy_backward(const SoftmaxCrossEntropyBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.terms.logits), columns = row_length(op.terms.logits);
  const int32_t* labels = op.terms.labels.as<int32_t>();
  const double scale = value_of(op.scale) / divisor_of(op.terms, counted_labels(op.terms.labels));
  const CrossEntropyFactors<T> factors(op.terms);
  const bool adds = op.beta != 0;
  if (factors.is_plain() && !adds && !op.direction) return plain_gradients<T>(op, scale, stream);
  for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const T* x = op.terms.logits.as<T>() + i * columns;
      T* grad = op.grad.as<T>() + i * columns;
      const int32_t label = labels[i];
      if (label < 0 || label >= columns) {
        set_row(label < 0 ? T(0) : std::numeric_limits<T>::quiet_NaN(), columns, adds, grad);
        continue;
      }
      const LossFactors factor = factors.of(i, label);
      with_exps(max_of(x, columns), [&](const auto& exps_of) {
        if (op.direction)
          curvature(exps_of, x, op.direction.as<T>() + i * columns, columns, scale * factor.total,
                    adds, grad);
        else
          general_gradient(exps_of, x, factors.weights(), columns, label, scale, factor, adds,
                           grad);
      });
    }
  });
}

void softmax_cross_entropy_backward(const SoftmaxCrossEntropyBackward& op, Stream& stream) {
  visit(op.terms.logits.dtype, [&]<class T>() { softmax_cross_entropy_backward<T>(op, stream); });
}
ORTHOKIT_WIDE_KERNEL(SoftmaxCrossEntropyBackward, softmax_cross_entropy_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
