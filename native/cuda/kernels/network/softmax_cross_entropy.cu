#include "cuda/softmax.cuh"
#include "cuda/total.cuh"
#include "ops/network/softmax_cross_entropy.h"

namespace orthokit::cuda {

struct RowLoss {
  double loss;
  int32_t counted, correct;
};

template <class T>
struct LossOfRow {
  const T* x;
  const int32_t* labels;
  RowLoss* out;
  int64_t columns;

  template <class Team>
  __device__ RowLoss loss(const Team& team, const T* row, int32_t label) const {
    if (label < 0) return {0, 0, 0};
    if (label >= columns) return {NAN, 1, 0};
    const T max = max_of(team, row, columns);
    double sum = 0;
    int earlier = 0;  // elements before the label's that are as large as the maximum
    const auto take = [&](int64_t j, T v) {
      sum += exp_of_negative(double(v) - double(max));
      earlier += v == max && j < label;
    };
    team.visit(columns, take, row);
    sum = team.sum(sum), earlier = team.sum(earlier);
    // The maximum of a row with NaN passes over it, and the sum does not.
    const bool correct = sum == sum && row[label] == max && earlier == 0;
    return {log(sum) - (double(row[label]) - double(max)), 1, correct};
  }
  template <class Team>
  __device__ void operator()(const Team& team, int64_t i) const {
    const RowLoss result = loss(team, x + i * columns, labels[i]);
    if (team.rank == 0) out[i] = result;
  }
};

struct AddRowLoss {
  const RowLoss* rows;
  __device__ void operator()(int64_t i, Sums<3>& sums) const {
    sums.of[0] += rows[i].loss, sums.of[1] += rows[i].counted, sums.of[2] += rows[i].correct;
  }
};

struct MeanLoss {
  double* loss;
  int32_t* correct;
  __device__ void operator()(const Sums<3>& sums) const {
    *loss = sums.of[1] == 0 ? 0 : sums.of[0] / sums.of[1];
    if (correct) *correct = int32_t(sums.of[2]);
  }
};

static void softmax_cross_entropy(const SoftmaxCrossEntropy& op, Stream& stream) {
  const int64_t rows = row_count(op.logits), columns = row_length(op.logits);
  auto* losses = stream.scratch<RowLoss>(rows + 1);
  visit(op.logits.dtype, [&]<class T>() {
    for_rows(stream, rows, columns,
             LossOfRow<T>{op.logits.as<T>(), op.labels.as<int32_t>(), losses, columns});
  });
  sum_items<3>(stream, rows, AddRowLoss{losses},
               MeanLoss{op.loss.as<double>(), op.correct.as<int32_t>()});
}
ORTHOKIT_KERNEL(SoftmaxCrossEntropy, softmax_cross_entropy);

}  // namespace orthokit::cuda
