#include "cuda/device/reduce.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"
#include "ops/clustering/cluster_round.h"

namespace orthokit::cuda {

inline constexpr int kRoundThreads = 128;

// A block takes a task; what it shares lies in scratch memory of the device.
struct RoundOfBlock {
  ClusterRound op;
  const double *products, *sigma_squares;
  const int32_t *neighbours, *fixed, *active;
  double *weights, *kept, *energies;
  int32_t *labels, *taken, *vanished;
  int64_t n, k, degree, fixed_rows;
  double* scratch;
  int32_t* lists;

  __device__ int64_t doubles() const { return 3 * n * k + 4 * n; }
  __device__ int64_t integers() const { return n * degree + 2 * n + 1; }
};

struct BlockTask {
  const ClusterRound& op;
  int64_t n, k, degree, fixed_rows;
  const double* g;
  const int32_t *neighbours, *fixed;
  double *weights, *kept;
  int32_t* labels;
  double sigma_square;
  double *costs, *z, *y, *line, *line_weights, *other, *sums;
  int32_t *sources, *ends, *next;

  __device__ BlockTask(const RoundOfBlock& r, int64_t t)
      : op(r.op), n(r.n), k(r.k), degree(r.degree), fixed_rows(r.fixed_rows) {
    g = r.products + t * n * n;
    neighbours = r.neighbours + t * n * degree, fixed = r.fixed + t * fixed_rows;
    weights = r.weights + t * k * n, kept = r.kept + t * n * k;
    labels = r.labels + t * n;
    const double square = r.sigma_squares ? r.sigma_squares[t] : 0;
    sigma_square = !r.sigma_squares                      ? 0
                   : square < ClusterRound::kLeastSquare ? ClusterRound::kLeastSquare
                                                         : square;
    costs = r.scratch + t * r.doubles(), z = costs + n * k, y = z + n * k, line = y + n * k;
    line_weights = line + n, other = line_weights + n, sums = other + n;
    sources = r.lists + t * r.integers(), ends = sources + n * degree, next = ends + n + 1;
  }

  template <class F>
  __device__ void each(int64_t count, F&& f) const {
    for (int64_t i = int(threadIdx.x); i < count; i += kRoundThreads) f(i);
  }
  // Σ f(i), which all threads get.
  template <class F>
  __device__ double total(int64_t count, F&& f) const {
    double sum = 0;
    each(count, [&](int64_t i) { sum += f(i); });
    return block_reduce<Sum>(sum);
  }
  __device__ double products_with(const double* w) const {
    each(n, [&](int64_t i) {
      double sum = 0;
      for (int64_t j = 0; j < n; ++j)
        if (w[j] != 0) sum += w[j] * g[j * n + i];
      line[i] = sum;
    });
    __syncthreads();
    return total(n, [&](int64_t i) { return w[i] * line[i]; });
  }
  __device__ double distance(int64_t i, double square) const {
    const double d = (g[i * n + i] - 2 * line[i]) + square;
    return d < 0 ? 0 : d;
  }
  __device__ void find_costs() const {
    for (int64_t c = 0; c < k; ++c) {
      const double square = products_with(weights + c * n);
      each(n, [&](int64_t i) {
        const double d = distance(i, square);
        costs[i * k + c] =
            op.temperature * (op.sigma_squares.data ? -exp(-d / (2 * sigma_square)) : d);
      });
      __syncthreads();
    }
  }
  __device__ void find_sources() const {
    each(n, [&](int64_t i) {
      int32_t count = 0;
      for (int64_t e = 0; e < n * degree; ++e) count += neighbours[e] == i ? 1 : 0;
      next[i] = count;
    });
    __syncthreads();
    if (threadIdx.x == 0) {
      ends[0] = 0;
      for (int64_t i = 0; i < n; ++i) ends[i + 1] = ends[i] + next[i];
    }
    __syncthreads();
    each(n, [&](int64_t i) {
      int32_t at = ends[i];
      for (int64_t e = 0; e < n * degree; ++e)
        if (neighbours[e] == i) sources[at++] = int32_t(e / degree);
    });
    __syncthreads();
  }
  __device__ double smooth() const {
    return total(n * k, [&](int64_t at) {
      const int64_t i = at / k, c = at - i * k;
      double sum = 0;
      int64_t out = 0;
      for (int64_t e = i * degree; e < (i + 1) * degree; ++e)
        if (neighbours[e] >= 0 && neighbours[e] < n) ++out, sum += z[neighbours[e] * k + c];
      if (op.graph == GraphForm::kPsd) {
        for (int32_t e = ends[i]; e < ends[i + 1]; ++e) sum += z[sources[e] * k + c];
        sum = (sum + double(out + ends[i + 1] - ends[i]) * z[at]) / 2;
      }
      y[at] = sum;
      return z[at] * sum;
    });
  }
  __device__ void clamp(int64_t i) const {
    for (int64_t c = 0; c < k; ++c) z[i * k + c] = c == fixed[i] ? 1 : 0;
  }
  __device__ double assign(bool is_first) const {
    const double sum = total(n, [&](int64_t i) {
      double* to = z + i * k;
      const double *a = costs + i * k, *by = y + i * k;
      if (i < fixed_rows) {
        clamp(i);
        return fixed[i] >= 0 && fixed[i] < k ? a[fixed[i]] : 0.0;
      }
      double largest = -INFINITY, all = 0, mean = 0;
      for (int64_t c = 0; c < k; ++c) {
        to[c] = is_first ? -a[c] : -a[c] + op.lambda * by[c];
        largest = to[c] > largest ? to[c] : largest;
      }
      for (int64_t c = 0; c < k; ++c) {
        const double logit = to[c] - largest;
        to[c] = exp(logit), all += to[c];
        // 0 ln 0 is 0, and so is 0 of a cost that is infinite.
        if (to[c] != 0) mean += to[c] * (logit + a[c]);
      }
      for (int64_t c = 0; c < k; ++c) to[c] /= all;
      return mean / all - log(all);
    });
    __syncthreads();
    return sum;
  }
  __device__ int32_t run_steps(double* energies) const {
    if (op.start == RoundStart::kKept) {
      each(n * k, [&](int64_t at) { z[at] = kept[at]; });
      __syncthreads();
      each(fixed_rows, [&](int64_t i) { clamp(i); });
      __syncthreads();
    } else {
      assign(true);
    }
    smooth();
    __syncthreads();
    double before = 0;
    const int64_t steps = op.energies.shape[1];
    for (int64_t step = 0; step < steps; ++step) {
      const double own = assign(false), energy = own - op.lambda / 2 * smooth();
      __syncthreads();
      if (threadIdx.x == 0) energies[step] = energy;
      if (step > 0 && fabs(energy - before) < op.tol * fabs(energy)) return int32_t(step + 1);
      before = energy;
    }
    return int32_t(steps);
  }
  __device__ int32_t label_of(int64_t i) const {
    int32_t best = 0;
    for (int64_t c = 1; c < k; ++c)
      if (z[i * k + best] < z[i * k + c]) best = int32_t(c);
    return best;
  }
  __device__ void shift(int64_t cluster) const {
    double* w = weights + cluster * n;
    double square = products_with(w);
    for (int iteration = 0; iteration < ClusterRound::kMostShifts; ++iteration) {
      double nearest = -INFINITY;
      each(n, [&](int64_t i) {
        if (labels[i] == cluster && -distance(i, square) > nearest) nearest = -distance(i, square);
      });
      const double least = -block_reduce<Max>(nearest);
      const double sum = total(n, [&](int64_t i) {
        line_weights[i] =
            labels[i] == cluster ? exp((least - distance(i, square)) / (2 * sigma_square)) : 0;
        return line_weights[i];
      });
      each(n, [&](int64_t i) { line_weights[i] /= sum, other[i] = line[i]; });
      __syncthreads();
      const double before = square;
      square = products_with(line_weights);
      const double mixed = total(n, [&](int64_t i) { return line_weights[i] * other[i]; });
      each(n, [&](int64_t i) { w[i] = line_weights[i]; });
      __syncthreads();
      const double moved = (square - mixed) + (before - mixed);
      if (!(moved > ClusterRound::kShiftTolerance * ClusterRound::kShiftTolerance)) return;
    }
  }
  __device__ void find_weights() const {
    for (int64_t c = 0; c < k; ++c) {
      if (op.update == CenterUpdate::kHard && op.sigma_squares.data) {
        shift(c);
        continue;
      }
      const auto share = [&](int64_t i) {
        return op.update == CenterUpdate::kSoft ? z[i * k + c] : labels[i] == c ? 1.0 : 0.0;
      };
      const double sum = total(n, share);
      if (sum < ClusterRound::kLeastShare) continue;
      each(n, [&](int64_t i) { weights[c * n + i] = share(i) / sum; });
    }
  }
  __device__ int32_t missing() const {
    each(n, [&](int64_t i) { next[i] = label_of(i); });
    __syncthreads();
    const double count = total(k, [&](int64_t c) {
      for (int64_t i = 0; i < n; ++i)
        if (next[i] == c) return 0.0;
      return 1.0;
    });
    return int32_t(count);
  }
  __device__ void run(double* energies, int32_t* taken, int32_t* vanished) const {
    find_costs(), find_sources();
    const int32_t steps = run_steps(energies), lost = missing();
    const bool had_labels = labels[0] >= 0;
    __syncthreads();
    if (threadIdx.x == 0) *taken = steps, *vanished = lost;
    if (lost > 0 && had_labels) return;
    each(n * k, [&](int64_t at) { kept[at] = z[at]; });
    each(n, [&](int64_t i) { labels[i] = next[i]; });
    __syncthreads();
    if (lost == 0 && op.update != CenterUpdate::kNone) find_weights();
  }
};

__global__ void __launch_bounds__(kRoundThreads)
    cluster_round_kernel(const __grid_constant__ RoundOfBlock round, int64_t tasks) {
  for (int64_t t = blockIdx.x; t < tasks; t += gridDim.x) {
    if (round.active && round.active[t] == 0) continue;
    BlockTask(round, t).run(round.energies + t * round.op.energies.shape[1], round.taken + t,
                            round.vanished + t);
    __syncthreads();
  }
}

static void cluster_round(const ClusterRound& op, Stream& stream) {
  const int64_t tasks = op.tasks(), n = op.rows(), k = op.clusters();
  if (tasks == 0 || n == 0) return;
  const RoundOfBlock round{op,
                           op.products.as<double>(),
                           op.sigma_squares.as<double>(),
                           op.neighbours.as<int32_t>(),
                           op.fixed.as<int32_t>(),
                           op.active.as<int32_t>(),
                           op.weights.as<double>(),
                           op.z.as<double>(),
                           op.energies.as<double>(),
                           op.labels.as<int32_t>(),
                           op.taken.as<int32_t>(),
                           op.vanished.as<int32_t>(),
                           n,
                           k,
                           op.degree(),
                           op.fixed_rows(),
                           stream.scratch<double>(tasks * (3 * n * k + 4 * n)),
                           stream.scratch<int32_t>(tasks * (n * op.degree() + 2 * n + 1))};
  launch(stream, cluster_round_kernel, {blocks_for(tasks), kRoundThreads}, round, tasks);
}
ORTHOKIT_KERNEL(ClusterRound, cluster_round);

}  // namespace orthokit::cuda
