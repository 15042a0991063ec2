#include <vector>

#include "cuda/kernels/optimizers/shared/step.cuh"
#include "cuda/rows.cuh"
#include "ops/optimizers/adagrad_norm.h"

namespace orthokit::cuda {

// 1 / (b + eps), or 0 where nothing was added up.
static __device__ __forceinline__ double inverse_of(double square, double eps) {
  return square == 0 ? 0 : 1 / (sqrt(square) + eps);
}

// ---- one accumulator for a tensor, or for the list: reads g

struct DecayedSquares {
  StepFields step;
  template <class T>
  __device__ Sums<1> squares(const Piece& piece) const {
    Sums<1> sums;
    const StepTensor tensor = step.of(piece.tensor);
    for_vectors(piece, [&](int64_t at, int n) {
      StepVector<T> v;
      v.at = at, v.n = n;
      load_decayed(tensor, v);
#pragma unroll
      for (T g : v.g) sums.of[0] += double(g) * double(g);
    });
    return sums;
  }
  __device__ Sums<1> operator()(const Piece& piece) const {
    if (is_held(step.guard)) return {};
    return step.weights[piece.tensor].dtype == Dtype::kF64 ? squares<double>(piece)
                                                           : squares<float>(piece);
  }
};

struct AccumulateTensor {
  const Operand* squares;
  const double* guard;
  double* factors;
  double eps;
  __device__ void operator()(int tensor, const Sums<1>& sums) const {
    if (is_held(guard)) return;
    double* square = squares[tensor].as<double>();
    *square += sums.of[0];
    factors[tensor] = inverse_of(*square, eps);
  }
};

struct KeepSum {
  double* totals;
  __device__ void operator()(int tensor, const Sums<1>& sums) const { totals[tensor] = sums.of[0]; }
};

// One block.
static __global__ void __launch_bounds__(kThreads)
    accumulate_all_kernel(const double* totals, int tensors, const Operand* squares, int count,
                          const double* guard, double eps, double* factors) {
  if (is_held(guard)) return;
  double sum = 0;
  for (int t = int(threadIdx.x); t < tensors; t += kThreads) sum += totals[t];
  sum = block_reduce<Sum>(sum);
  const double all = sum + *squares[0].as<double>();
  __syncthreads();  // every thread has read the old number
  for (int t = int(threadIdx.x); t < count; t += kThreads) *squares[t].as<double>() = all;
  for (int t = int(threadIdx.x); t < tensors; t += kThreads) factors[t] = inverse_of(all, eps);
}

struct ScaledUpdate {
  double factor;
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    const T own = finite_factor<T>(factor);
#pragma unroll
    for (int i = 0; i < kVector; ++i) v.u[i] = own * v.g[i];
  }
};
struct FactorOfTensor {
  const double* factors;
  __device__ ScaledUpdate of(int tensor) const { return {factors[tensor]}; }
};

// ---- one for a row

// The rows of all tensors, numbered through: those of tensor t from first[t].
struct AllRows {
  const int64_t *first, *columns;
  int tensors;
};

// A launch of warps takes the short rows, one of blocks the long ones.
struct AccumulateRow {
  StepFields step;
  AllRows rows;
  const Operand* squares;
  double* factors;
  double eps;

  template <class T, class Team>
  __device__ double sum(const Team& team, int index, int64_t from, int64_t columns) const {
    const StepTensor tensor = step.of(index);
    double sum = 0;
    for (int64_t j = int64_t(team.rank) * kVector; j < columns; j += Team::size * kVector) {
      StepVector<T> v;
      v.at = from + j, v.n = int(columns - j < kVector ? columns - j : kVector);
      load_decayed(tensor, v);
#pragma unroll
      for (T g : v.g) sum += double(g) * double(g);
    }
    return team.sum(sum);
  }
  template <class Team>
  __device__ void operator()(const Team& team, int64_t index) const {
    if (is_held(step.guard)) return;
    int tensor = 0, high = rows.tensors;  // first[tensor] ≤ index < first[high]
    while (high - tensor > 1) {
      const int middle = (tensor + high) / 2;
      (rows.first[middle] <= index ? tensor : high) = middle;
    }
    const int64_t columns = rows.columns[tensor], row = index - rows.first[tensor];
    if ((columns <= kShortRow) != (Team::size == kWarp)) return;
    const double total = step.weights[tensor].dtype == Dtype::kF64
                             ? sum<double>(team, tensor, row * columns, columns)
                             : sum<float>(team, tensor, row * columns, columns);
    if (team.rank != 0) return;
    double* square = squares[tensor].template as<double>() + row;
    *square += total;
    factors[index] = inverse_of(*square, eps);
  }
};

struct RowsUpdate {
  const double* factor;
  int64_t columns;
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    int64_t row = v.at / columns, next = (row + 1) * columns;
    T own = finite_factor<T>(factor[row]);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      if (v.at + i == next && i < v.n) own = finite_factor<T>(factor[++row]), next += columns;
      v.u[i] = own * v.g[i];
    }
  }
};
struct FactorOfRow {
  const double* factors;
  AllRows rows;
  __device__ RowsUpdate of(int tensor) const {
    return {factors + rows.first[tensor], rows.columns[tensor]};
  }
};

// ---- on the host

static void accumulate_tensors(const AdagradNorm& op, const Lists& lists, const StepFields& fields,
                               double* factors, Stream& stream) {
  const Operand* squares = lists.of(kOwnLists);
  if (op.scope == NormScope::kTensor)
    return sum_pieces<1>(stream, lists, DecayedSquares{fields},
                         AccumulateTensor{squares, fields.guard, factors, op.eps});
  if (op.squares.count == 0) return;
  const int tensors = int(lists.tensors());
  auto* totals = stream.scratch<double>(tensors + 1);
  sum_pieces<1>(stream, lists, DecayedSquares{fields}, KeepSum{totals});
  launch(stream, accumulate_all_kernel, {1, kThreads}, totals, tensors, squares,
         int(op.squares.count), fields.guard, op.eps, factors);
}

static void step_rows(const AdagradNorm& op, const Lists& lists, Rates rates, Stream& stream) {
  const int64_t tensors = lists.tensors();
  std::vector<int64_t> numbers(size_t(2 * tensors + 1));
  int64_t total = 0;
  bool has[2] = {};  // short rows, long rows
  for (int64_t t = 0; t < tensors; ++t) {
    const View& w = op.step.weights[t];
    const int64_t columns = w.rank == 1 ? 1 : matrices(w).columns;
    numbers[size_t(t)] = total, numbers[size_t(tensors + 1 + t)] = columns;
    if (op.squares[t].size() > 0) has[columns > kShortRow] = true;
    total += op.squares[t].size();
  }
  numbers[size_t(tensors)] = total;
  const int64_t* copy = stream.table(numbers.data(), int64_t(numbers.size()));
  const AllRows rows{copy, copy + tensors + 1, int(tensors)};
  auto* factors = stream.scratch<double>(total + 1);
  const StepFields fields = fields_of(op.step, lists, rates);
  const AccumulateRow body{fields, rows, lists.of(kOwnLists), factors, op.eps};
  if (has[0]) run_rows<kWarp>(stream, total, body);
  if (has[1]) run_rows<kRowThreads>(stream, total, body);
  run_plain_step(op.step, lists, rates, stream, FactorOfRow{factors, rows});
}

static void adagrad_norm(const AdagradNorm& op, Stream& stream) {
  const Step& step = op.step;
  const Lists lists(stream, {step.weights, step.grads, step.masters, op.squares, op.steps});
  auto* rates = stream.scratch<double>(2 * op.steps.count + 1);
  count_steps(step, lists.of(kOwnLists + 1), stream, DecayingRate{rates, step.lr, op.lr_decay});
  if (op.scope == NormScope::kRows) return step_rows(op, lists, {.each = rates}, stream);
  double* factors = rates + op.steps.count;
  accumulate_tensors(op, lists, fields_of(step, lists, {.each = rates}), factors, stream);
  run_plain_step(step, lists, {.each = rates}, stream, FactorOfTensor{factors});
}
ORTHOKIT_GRAPH_KERNEL(AdagradNorm, adagrad_norm);

}  // namespace orthokit::cuda
