#include "cuda/kernels/network/shared/cross_entropy.cuh"
#include "cuda/widened.cuh"
#include "ops/network/softmax_cross_entropy_backward.h"

namespace orthokit::cuda {

struct CountLabel {
  const int32_t* labels;
  __device__ void operator()(int64_t i, Sums<1>& sums) const { sums.of[0] += labels[i] >= 0; }
};

struct FactorOfRows {
  DeviceFactor scale;
  Divisor divisor;
  double* factor;
  __device__ void operator()(const Sums<1>& counted) const {
    *factor = scale() / divisor(counted.of[0]);
  }
};

// The gradient of a plain loss: labels alone have a say.
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

// With all that may be asked; exponentials are computed twice, as grad may hold what they are added
// to.
template <class T>
struct GeneralLossGradOfRow {
  static constexpr int kBlocks = 2, kLongRowThreads = 512;  // more leave too few registers
  const T *x, *direction;                                   // null: the gradient
  const int32_t* labels;
  const double* factor;
  T* grad;
  bool adds;
  CrossEntropyFactors<T> factors;

  template <class Team>
  __device__ void operator()(const Team& team, int64_t row) const {
    const int64_t columns = factors.columns;
    const T* from = x + row * columns;
    T* to = grad + row * columns;
    const Optional<T> old = old_of(adds, to);
    const int32_t label = labels[row];
    if (label < 0 || label >= columns) {
      const T value = label < 0 ? T(0) : T(NAN);
      team.map(
          columns, to, [&](int64_t, T before) { return value + before; }, old);
      return;
    }
    const T max = max_of(team, from, columns);
    const Optional<T> along{direction ? direction + row * columns : nullptr, T(0)};
    double sum = 0, mean = 0, total = 0;
    const auto take = [&](int64_t, T v, T d, T w) {
      const double e = Stored<T>::exponential(v, max);
      sum += e, mean += e * double(d), total += double(w);
    };
    team.visit(columns, take, from, along, factors.weights);
    sum = team.sum(sum), mean = team.sum(mean) / sum, total = team.sum(total);
    const double whole = *factor;
    const LossFactors own = factors.of(row, label);
    const double all = own.at_label + (own.at_all == 0 ? 0 : own.at_all * total);
    const auto gradient = [&](int64_t j, T v, T d, T w, T before) {
      const double p = all * (Stored<T>::exponential(v, max) / sum);
      const double result = direction ? p * (double(d) - mean)
                                      : p - (j == label ? own.at_label : 0) -
                                            (own.at_all == 0 ? 0 : own.at_all * double(w));
      return T(whole * result) + before;
    };
    team.map(columns, to, gradient, from, along, factors.weights, old);
  }
};

static void softmax_cross_entropy_backward(const SoftmaxCrossEntropyBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.terms.logits), columns = row_length(op.terms.logits);
  const auto* labels = op.terms.labels.as<int32_t>();
  auto* factor = stream.scratch<double>(1);
  sum_items<1>(stream, rows, CountLabel{labels},
               FactorOfRows{DeviceFactor(op.scale), Divisor(op.terms), factor});
  visit(op.terms.logits.dtype, [&]<class T>() {
    const CrossEntropyFactors<T> factors(op.terms);
    if (factors.is_plain() && !op.direction && op.beta == 0)
      for_rows(stream, rows, columns,
               LossGradOfRow<T>{op.terms.logits.as<T>(), labels, factor, op.grad.as<T>(), columns});
    else
      for_rows(stream, rows, columns,
               GeneralLossGradOfRow<T>{op.terms.logits.as<T>(), op.direction.as<T>(), labels,
                                       factor, op.grad.as<T>(), op.beta != 0, factors});
  });
}
ORTHOKIT_WIDE_KERNEL(SoftmaxCrossEntropyBackward, softmax_cross_entropy_backward);

}  // namespace orthokit::cuda
