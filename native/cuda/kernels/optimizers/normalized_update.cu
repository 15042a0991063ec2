#include <algorithm>
#include <vector>

#include "cuda/kernels/optimizers/shared/step.cuh"
#include "math/normalized.h"
#include "ops/optimizers/normalized_update.h"

namespace orthokit::cuda {

// One of the matrices of all tensors: its moments, and factors, from `first` on of a tensor.
struct NormalizedMatrix {
  int64_t tensor, first, length;
  double fresh, target;  // of a mean's sum; target 0: the norm that it has
  double* factors;
  const int32_t* places;  // of its rows; null: each has one
};

struct NormalizedRule {
  double beta2, eps, norm_eps;
  bool floors_moment, floors_norm;
};

// A block a matrix: brings its moments up to date, and finds what its rows are multiplied by.
static __global__ void __launch_bounds__(kThreads)
    find_row_factors_kernel(const NormalizedMatrix* matrices, const Operand* squares,
                            const Operand* moments, const double* guard, NormalizedRule rule) {
  if (is_held(guard)) return;
  const NormalizedMatrix m = matrices[blockIdx.x];
  const double* squares_of = squares[m.tensor].as<double>() + m.first;
  const Operand moments_of = moments[m.tensor];
  double before = 0, after = 0;
  for (int64_t i = threadIdx.x; i < m.length; i += kThreads) {
    if (m.places && m.places[i] < 0) {
      m.factors[i] = 0;
      continue;
    }
    const double square = squares_of[i];
    double v[kVector] = {};
    load(moments_of, m.first + i, 1, v);
    v[0] = rule.beta2 * v[0] + m.fresh * square;
    const double factor = math::row_step(v[0], rule.eps, rule.floors_moment);
    before += square, after += square * factor * factor;
    m.factors[i] = factor;
    store(moments_of, m.first + i, 1, v);
  }
  before = block_reduce<Sum>(before), after = block_reduce<Sum>(after);
  const double target = m.target != 0 ? m.target : sqrt(before);
  const double rescaled = math::rescale(target, sqrt(after), rule.norm_eps, rule.floors_norm);
  // Rows without a place stay, even beside NaN and infinity.
  for (int64_t i = threadIdx.x; i < m.length; i += kThreads)
    if (!m.places || m.places[i] >= 0) m.factors[i] *= rescaled;
}

// Factors of a tensor: of its rows, or of the columns of each of its matrices.
struct NormalizedTensor {
  const double* factors;
  int64_t columns, size;  // size: of a matrix; 0: they are of rows
};
struct NormalizedRows {
  NormalizedTensor of;
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    const int64_t row = v.at / of.columns;
    int64_t left = v.at - row * of.columns;
    const double* factor =
        of.size == 0 ? of.factors + row : of.factors + v.at / of.size * of.columns;
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      v.u[i] = 0;
      if (i < v.n) v.u[i] = finite_factor<T>(of.size == 0 ? *factor : factor[left]) * v.g[i];
      if (++left < of.columns) continue;
      left = 0;
      if (of.size == 0)
        ++factor;
      else
        factor = of.factors + (v.at + i + 1) / of.size * of.columns;
    }
  }
};
struct NormalizedUpdateOf {
  const NormalizedTensor* tensors;
  __device__ NormalizedRows of(int tensor) const { return {tensors[tensor]}; }
};

static void normalized_update(const NormalizedUpdate& op, Stream& stream) {
  const Step& step = op.step;
  if (step.weights.count == 0) return;
  const Lists lists(stream,
                    {step.weights, step.grads, step.masters, op.squares, op.second_moments});
  std::vector<NormalizedMatrix> matrices;
  std::vector<NormalizedTensor> tensors;
  const bool is_paper = op.variant == NorMuonVariant::kPaper;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const RowMoments all = row_moments(step.weights[t], op.axis);
    auto* factors = stream.scratch<double>(all.count() + 1);
    const double size = double(all.length * all.elements),
                 target = is_paper ? op.kPaperRms * std::sqrt(size) : 0;
    for (int64_t i = 0; i < all.batch; ++i)
      if (all.length > 0)
        matrices.push_back({t, i * all.length, all.length,
                            (1 - op.beta2) / double(std::max<int64_t>(all.elements, 1)), target,
                            factors + i * all.length,
                            op.places.count > 0 ? op.places_of(t) + i * all.length : nullptr});
    tensors.push_back({factors, all.of_columns ? all.length : all.elements,
                       all.of_columns ? all.length * all.elements : 0});
  }
  const NormalizedRule rule{op.beta2, op.eps, is_paper ? 0 : op.eps, op.floors_moment(),
                            op.floors_norm()};
  if (!matrices.empty()) {
    const auto* copy = static_cast<const NormalizedMatrix*>(
        stream.table_bytes(matrices.data(), matrices.size() * sizeof(NormalizedMatrix)));
    launch(stream, find_row_factors_kernel, {dim3(unsigned(matrices.size())), kThreads}, copy,
           lists.of(kOwnLists), lists.of(kOwnLists + 1), step.guard.as<double>(), rule);
  }
  Rates rates{.same = step.lr};
  if (op.scales.count > 0) rates.each = stream.table(op.scales.items, op.scales.count);
  const auto* of = static_cast<const NormalizedTensor*>(
      stream.table_bytes(tensors.data(), tensors.size() * sizeof(NormalizedTensor)));
  run_plain_step(step, lists, rates, stream, NormalizedUpdateOf{of});
}
ORTHOKIT_GRAPH_KERNEL(NormalizedUpdate, normalized_update);

}  // namespace orthokit::cuda
