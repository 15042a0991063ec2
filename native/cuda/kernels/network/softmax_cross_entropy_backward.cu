#include "cuda/softmax.cuh"
#include "cuda/total.cuh"
#include "ops/network/softmax_cross_entropy_backward.h"

namespace orthokit::cuda {

struct CountLabel {
  const int32_t* labels;
  __device__ void operator()(int64_t i, Sums<1>& sums) const { sums.of[0] += labels[i] >= 0; }
};

struct FactorOfRows {
  double scale;
  double* factor;
  __device__ void operator()(const Sums<1>& counted) const {
    *factor = scale / (counted.of[0] > 1 ? counted.of[0] : 1);
  }
};

template <class T>
struct LossGradOfRow {
  const T* x;
  const int32_t* labels;
  const double* factor;
  T* grad;
  int64_t columns;
  template <class Team>
  __device__ void operator()(const Team& team, int64_t row) const {
    const T* from = x + row * columns;
    T* to = grad + row * columns;
    const int32_t label = labels[row];
    if (label < 0 || label >= columns) {
      team.map(columns, to, [&](int64_t) { return label < 0 ? T(0) : T(NAN); });
      return;
    }
    const T max = max_of(team, from, columns);
    double sum = 0, at_label = 0;  // unrounded, in the thread whose element it is
    const auto exponential = [&](int64_t j, T v) {
      const double e = Stored<T>::exponential(v, max);
      sum += e;
      if (j == label) at_label = e;
      return T(e * Stored<T>::kLift);
    };
    team.map(columns, to, exponential, from);
    sum = team.sum(sum);
    const double whole = *factor, scale = whole / sum / Stored<T>::kLift;
    const auto gradient = [&](int64_t j, T e) {
      return T(j == label ? whole * (at_label / sum - 1) : double(e) * scale);
    };
    team.map(columns, to, gradient, to);
  }
};

static void softmax_cross_entropy_backward(const SoftmaxCrossEntropyBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.logits), columns = row_length(op.logits);
  const auto* labels = op.labels.as<int32_t>();
  auto* factor = stream.scratch<double>(1);
  sum_items<1>(stream, rows, CountLabel{labels}, FactorOfRows{op.scale, factor});
  visit(op.logits.dtype, [&]<class T>() {
    for_rows(stream, rows, columns,
             LossGradOfRow<T>{op.logits.as<T>(), labels, factor, op.grad.as<T>(), columns});
  });
}
ORTHOKIT_KERNEL(SoftmaxCrossEntropyBackward, softmax_cross_entropy_backward);

}  // namespace orthokit::cuda
