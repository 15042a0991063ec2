#include "ops/clustering/cluster_round.h"

#include <algorithm>
#include <cmath>

#include "cpu/chunks.h"
#include "cpu/exp_eight.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

// One task of a round, by itself on a thread.
struct TaskOfRound {
  const ClusterRound& op;
  const Stream& stream;
  int64_t n, k, degree, fixed_rows;
  const double* g;
  const int32_t *neighbours, *fixed;
  double *weights, *kept;
  int32_t* labels;
  double sigma_square;  // of op.sigma_squares
  // Scratch: costs, z, W z [n, k]; a line of products and two of weights; rows that have a row as
  // neighbour, and their ends.
  double *costs, *z, *y, *line, *line_weights, *other;
  int32_t *sources, *ends, *next;

  static int64_t doubles(const ClusterRound& op) {
    return 3 * op.rows() * op.clusters() + 3 * op.rows();
  }
  static int64_t integers(const ClusterRound& op) {
    return op.rows() * op.degree() + 2 * op.rows() + 1;
  }
  TaskOfRound(const ClusterRound& op, const Stream& stream, int64_t t, double* scratch,
              int32_t* lists)
      : op(op),
        stream(stream),
        n(op.rows()),
        k(op.clusters()),
        degree(op.degree()),
        fixed_rows(op.fixed_rows()) {
    g = op.products.as<double>() + t * n * n;
    neighbours = op.neighbours.as<int32_t>() + t * n * degree;
    fixed = op.fixed ? op.fixed.as<int32_t>() + t * fixed_rows : nullptr;
    weights = op.weights.as<double>() + t * k * n, kept = op.z.as<double>() + t * n * k;
    labels = op.labels.as<int32_t>() + t * n;
    sigma_square = op.sigma_squares
                       ? std::max(op.sigma_squares.as<double>()[t], ClusterRound::kLeastSquare)
                       : 0;
    costs = scratch, z = costs + n * k, y = z + n * k, line = y + n * k, line_weights = line + n;
    other = line_weights + n;
    sources = lists, ends = sources + n * degree, next = ends + n + 1;
  }

  // line = g · w, and what distances from the center of w lack: wᵀ g w.
  double products_with(const double* w) const {
    std::fill_n(line, n, 0.0);
    for (int64_t j = 0; j < n; ++j)
      if (w[j] != 0)
        for (int64_t i = 0; i < n; ++i) line[i] += w[j] * g[j * n + i];
    double square = 0;
    for (int64_t j = 0; j < n; ++j) square += w[j] * line[j];
    return square;
  }
  double distance(int64_t i, double square) const {
    const double d = (g[i * n + i] - 2 * line[i]) + square;
    return d < 0 ? 0 : d;
  }
  void find_costs() const {
    for (int64_t c = 0; c < k && !stream.is_given_up(); ++c) {
      const double square = products_with(weights + c * n);
      for (int64_t i = 0; i < n; ++i) {
        const double d = distance(i, square);
        costs[i * k + c] =
            op.temperature * (op.sigma_squares ? -std::exp(-d / (2 * sigma_square)) : d);
      }
    }
  }
  bool is_row(int32_t index) const { return index >= 0 && index < n; }
  void find_sources() const {
    std::fill_n(ends, n + 1, 0);
    for (int64_t e = 0; e < n * degree; ++e)
      if (is_row(neighbours[e])) ++ends[neighbours[e] + 1];
    for (int64_t i = 0; i < n; ++i) ends[i + 1] += ends[i], next[i] = ends[i];
    for (int64_t e = 0; e < n * degree; ++e)
      if (is_row(neighbours[e])) sources[next[neighbours[e]]++] = int32_t(e / degree);
  }
  // y = W z; the sum of z W z.
  double smooth() const {
    double total = 0;
    for (int64_t i = 0; i < n; ++i) {
      double* to = y + i * k;
      std::fill_n(to, k, 0.0);
      int64_t out = 0;
      for (int64_t e = i * degree; e < (i + 1) * degree; ++e) {
        if (!is_row(neighbours[e])) continue;
        ++out;
        for (int64_t c = 0; c < k; ++c) to[c] += z[neighbours[e] * k + c];
      }
      if (op.graph == GraphForm::kPsd) {
        for (int32_t e = ends[i]; e < ends[i + 1]; ++e)
          for (int64_t c = 0; c < k; ++c) to[c] += z[sources[e] * k + c];
        const double sum = double(out + ends[i + 1] - ends[i]);
        for (int64_t c = 0; c < k; ++c) to[c] = (to[c] + sum * z[i * k + c]) / 2;
      }
      for (int64_t c = 0; c < k; ++c) total += z[i * k + c] * to[c];
    }
    return total;
  }
  // z = exp(y), eight at a time.
  void find_exponentials() const {
    int64_t at = 0;
    for (; at + 8 <= n * k; at += 8) {
      Eight v;
      load_eight(y + at, v), exp_of_eight(v, v), store_eight(v, z + at);
    }
    for (; at < n * k; ++at) z[at] = std::exp(y[at]);
  }
  // z = softmax(−a + lambda y), or of −a alone; the sum of z ln z + a z. y holds logits afterwards.
  double assign(bool is_first) const {
    for (int64_t i = 0; i < n; ++i) {
      double* to = y + i * k;
      double largest = -INFINITY;
      for (int64_t c = 0; c < k; ++c) {
        to[c] = is_first ? -costs[i * k + c] : -costs[i * k + c] + op.lambda * to[c];
        largest = std::max(largest, to[c]);
      }
      for (int64_t c = 0; c < k; ++c) to[c] -= largest;
    }
    find_exponentials();
    double total = 0;
    for (int64_t i = 0; i < n; ++i) {
      double* to = z + i * k;
      const double *a = costs + i * k, *logits = y + i * k;
      if (i < fixed_rows) {
        for (int64_t c = 0; c < k; ++c) to[c] = c == fixed[i] ? 1 : 0;
        if (fixed[i] >= 0 && fixed[i] < k) total += a[fixed[i]];
        continue;
      }
      double sum = 0, mean = 0;
      for (int64_t c = 0; c < k; ++c) sum += to[c], mean += to[c] * (logits[c] + a[c]);
      const double inverse = 1 / sum;
      for (int64_t c = 0; c < k; ++c) to[c] *= inverse;
      total += mean * inverse - std::log(sum);
    }
    return total;
  }
  int32_t run_steps(double* energies) const {
    if (op.start == RoundStart::kKept) {
      std::copy_n(kept, n * k, z);
      for (int64_t i = 0; i < fixed_rows; ++i)
        for (int64_t c = 0; c < k; ++c) z[i * k + c] = c == fixed[i] ? 1 : 0;
    } else {
      assign(true);
    }
    smooth();
    for (int64_t step = 0; step < op.steps(); ++step) {
      if (stream.is_given_up()) return int32_t(step);
      const double own = assign(false), energy = own - op.lambda / 2 * smooth();
      energies[step] = energy;
      if (step > 0 && std::abs(energy - energies[step - 1]) < op.tol * std::abs(energy))
        return int32_t(step + 1);
    }
    return int32_t(op.steps());
  }
  int64_t label_of(int64_t i) const {
    return std::max_element(z + i * k, z + (i + 1) * k) - (z + i * k);
  }
  // Mean shift of one center over the rows with its label.
  void shift(int64_t cluster) const {
    double* w = weights + cluster * n;
    double square = products_with(w);
    for (int iteration = 0; iteration < ClusterRound::kMostShifts; ++iteration) {
      if (stream.is_given_up()) return;
      double least = INFINITY, sum = 0;
      for (int64_t i = 0; i < n; ++i)
        if (labels[i] == cluster) least = std::min(least, distance(i, square));
      for (int64_t i = 0; i < n; ++i) {
        const bool is_member = labels[i] == cluster;
        line_weights[i] =
            is_member ? std::exp((least - distance(i, square)) / (2 * sigma_square)) : 0;
        sum += line_weights[i];
      }
      for (int64_t i = 0; i < n; ++i) line_weights[i] /= sum;
      std::copy_n(line, n, other);
      const double before = square;
      square = products_with(line_weights);
      // |c' − c|² = c'ᵀc' − 2 c'ᵀc + cᵀc
      double mixed = 0;
      for (int64_t i = 0; i < n; ++i) mixed += line_weights[i] * other[i];
      std::copy_n(line_weights, n, w);
      const double moved = (square - mixed) + (before - mixed);
      if (!(moved > ClusterRound::kShiftTolerance * ClusterRound::kShiftTolerance)) return;
    }
  }
  void find_weights() const {
    for (int64_t c = 0; c < k && !stream.is_given_up(); ++c) {
      double* w = weights + c * n;
      if (op.update == CenterUpdate::kHard && op.sigma_squares) {
        shift(c);
        continue;
      }
      const auto share = [&](int64_t i) {
        return op.update == CenterUpdate::kSoft ? z[i * k + c] : labels[i] == c ? 1.0 : 0.0;
      };
      double sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += share(i);
      for (int64_t i = 0; i < n; ++i) w[i] = share(i) / sum;
    }
  }
  int32_t missing() const {
    int32_t count = 0;
    for (int64_t c = 0; c < k; ++c) {
      bool found = false;
      for (int64_t i = 0; !found && i < n; ++i) found = label_of(i) == c;
      count += found ? 0 : 1;
    }
    return count;
  }
  void run(double* energies, int32_t& taken, int32_t& vanished) const {
    find_costs(), find_sources();
    taken = run_steps(energies);
    if (stream.is_given_up()) return;
    vanished = missing();
    if (vanished > 0 && labels[0] >= 0) return;
    std::copy_n(z, n * k, kept);
    for (int64_t i = 0; i < n; ++i) labels[i] = int32_t(label_of(i));
    if (vanished == 0 && op.update != CenterUpdate::kNone) find_weights();
  }
};

}  // namespace

void cluster_round(const ClusterRound& op, Stream& stream) {
  const int64_t tasks = op.tasks(), doubles = TaskOfRound::doubles(op),
                integers = TaskOfRound::integers(op);
  if (op.rows() == 0) return;
  auto* scratch = stream.scratch<double>(tasks * doubles);
  auto* lists = stream.scratch<int32_t>(tasks * integers);
  stream.parallel(tasks, [&](int64_t t) {
    if (op.active && op.active.as<int32_t>()[t] == 0) return;
    TaskOfRound(op, stream, t, scratch + t * doubles, lists + t * integers)
        .run(op.energies.as<double>() + t * op.steps(), op.taken.as<int32_t>()[t],
             op.vanished.as<int32_t>()[t]);
  });
}
ORTHOKIT_KERNEL(ClusterRound, cluster_round);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
