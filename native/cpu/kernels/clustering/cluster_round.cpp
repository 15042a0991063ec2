#include "ops/clustering/cluster_round.h"

#include <algorithm>
#include <cmath>

#include "cpu/chunks.h"
#include "cpu/elementary.h"
#include "cpu/exp_eight.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

int64_t eights(int64_t size) { return (size + 7) / 8 * 8; }

// One task of a round, by itself on a thread. Rows are taken eight at a time: costs and logits lie
// in blocks of eight rows, [n / 8, k, 8], where a class of eight rows is a vector; z lies by rows,
// filled up to whole eights, where a row and its neighbours are vectors.
struct TaskOfRound {
  const ClusterRound& op;
  const Stream& stream;
  int64_t n, k, degree, fixed_rows, padded, stride;
  const double* g;
  const int32_t *neighbours, *fixed;
  double *weights, *kept;
  int32_t* labels;
  double sigma_square;  // of op.sigma_squares
  // Scratch: costs, and W z that becomes logits [n / 8, k, 8]; z [n, stride]; a block of
  // exponentials and one of rows; a line of products and two of weights; ties of rows, their ends.
  double *costs, *y, *z, *exps, *sums, *line, *line_weights, *other;
  int32_t *ties, *ends, *next, *found;

  static int64_t doubles(const ClusterRound& op) {
    const int64_t rows = eights(op.rows()), classes = eights(op.clusters());
    return 2 * rows * op.clusters() + rows * classes + 16 * classes + 3 * op.rows();
  }
  static int64_t integers(const ClusterRound& op) {
    return 2 * op.rows() * op.degree() + 3 * op.rows() + 1;
  }
  TaskOfRound(const ClusterRound& op, const Stream& stream, int64_t t, double* scratch,
              int32_t* lists)
      : op(op),
        stream(stream),
        n(op.rows()),
        k(op.clusters()),
        degree(op.degree()),
        fixed_rows(op.fixed_rows()),
        padded(eights(n)),
        stride(eights(k)) {
    g = op.products.as<double>() + t * n * n;
    neighbours = op.neighbours.as<int32_t>() + t * n * degree;
    fixed = op.fixed ? op.fixed.as<int32_t>() + t * fixed_rows : nullptr;
    weights = op.weights.as<double>() + t * k * n, kept = op.z.as<double>() + t * n * k;
    labels = op.labels.as<int32_t>() + t * n;
    sigma_square = op.sigma_squares
                       ? std::max(op.sigma_squares.as<double>()[t], ClusterRound::kLeastSquare)
                       : 0;
    costs = scratch, y = costs + padded * k, z = y + padded * k;
    exps = z + padded * stride, sums = exps + 8 * stride, line = sums + 8 * stride;
    line_weights = line + n, other = line_weights + n;
    ties = lists, ends = ties + 2 * n * degree, next = ends + n + 1, found = next + n;
    std::fill_n(costs, padded * k, 0.0), std::fill_n(z, n * stride, 0.0);
  }
  static int64_t place(int64_t i, int64_t c, int64_t k) { return (i / 8 * k + c) * 8 + i % 8; }

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
        costs[place(i, c, k)] =
            op.temperature * (op.sigma_squares ? -std::exp(-d / (2 * sigma_square)) : d);
      }
    }
  }
  bool is_row(int32_t index) const { return index >= 0 && index < n; }
  // The rows that W ties each row to: its neighbours, and but for 'raw' those that have it as one.
  void find_ties() const {
    const bool both = op.graph == GraphForm::kPsd;
    std::fill_n(ends, n + 1, 0);
    for (int64_t e = 0; e < n * degree; ++e)
      if (is_row(neighbours[e])) ++ends[e / degree + 1], ends[neighbours[e] + 1] += both ? 1 : 0;
    for (int64_t i = 0; i < n; ++i) next[i] = ends[i], ends[i + 1] += ends[i];
    for (int64_t e = 0; e < n * degree; ++e)
      if (is_row(neighbours[e])) ties[next[e / degree]++] = neighbours[e];
    for (int64_t e = 0; both && e < n * degree; ++e)
      if (is_row(neighbours[e])) ties[next[neighbours[e]]++] = int32_t(e / degree);
  }
  // y = W z; the sum of z W z.
  double smooth() const {
    Eight total{};
    for (int64_t i = 0; i < n; i += 8) {
      const int64_t rows = std::min<int64_t>(8, n - i);
      for (int64_t r = 0; r < rows; ++r) smooth_row(i + r, sums + r * stride, total);
      std::fill(sums + rows * stride, sums + 8 * stride, 0.0);
      for (int64_t c = 0; c < k; ++c)
        for (int64_t r = 0; r < 8; ++r) y[i * k + c * 8 + r] = sums[r * stride + c];
    }
    return total_of(total);
  }
  void smooth_row(int64_t i, double* to, Eight& total) const {
    const double degree_of_row = double(ends[i + 1] - ends[i]);
    for (int64_t c = 0; c < stride; c += 8) {
      Eight sum{}, v, own;
      load_eight(z + i * stride + c, own);
      for (int32_t e = ends[i]; e < ends[i + 1]; ++e)
        load_eight(z + ties[e] * stride + c, v), sum += v;
      if (op.graph == GraphForm::kPsd) sum = (sum + own * degree_of_row) * 0.5;
      multiply_add(own, sum, total, total), store_eight(sum, to + c);
    }
  }
  // z = softmax(−a + lambda y), or of −a alone; the sum of z ln z + a z.
  double assign(bool is_first) const {
    double energy[8] = {};
    for (int64_t i = 0; i < n; i += 8) {
      double own[8];
      assign_block(i, is_first, own);
      for (int64_t r = 0; r < 8; ++r) {
        const int64_t row = i + r;
        const bool is_fixed = row < fixed_rows;
        const bool has_class = is_fixed && fixed[row] >= 0 && fixed[row] < k;
        if (is_fixed) own[r] = has_class ? costs[place(row, fixed[row], k)] : 0;
        if (row < n) energy[r] += own[r];
      }
      const int64_t rows = std::min<int64_t>(8, n - i);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < k; ++c)
          z[(i + r) * stride + c] =
              i + r >= fixed_rows ? exps[c * 8 + r] : double(c == fixed[i + r]);
    }
    return total_of<8>(energy);
  }
  // exps of eight rows = softmax; their sums of z ln z + a z.
  void assign_block(int64_t first, bool is_first, double* energy) const {
    const double* a = costs + first * k;
    double* logits = y + first * k;
    const Eight none{};
    Eight largest = none - INFINITY, v, cost, sum{}, mean{};
    for (int64_t c = 0; c < k; ++c) {
      load_eight(a + c * 8, cost);
      if (is_first)
        v = -cost;
      else
        load_eight(logits + c * 8, v), v = v * op.lambda - cost;
      store_eight(v, logits + c * 8);
      greater_of(v, largest, largest);
    }
    for (int64_t c = 0; c < k; ++c) {
      load_eight(a + c * 8, cost), load_eight(logits + c * 8, v);
      v -= largest, cost += v;
      exp_of_eight(v, v);
      // 0 ln 0 is 0, and so is 0 of a cost that is infinite.
      select(v == none, none, cost, cost);
      sum += v, multiply_add(v, cost, mean, mean), store_eight(v, exps + c * 8);
    }
    double totals[8], means[8], inverses[8];
    store_eight(sum, totals), store_eight(mean, means);
    for (int r = 0; r < 8; ++r) inverses[r] = 1 / totals[r];
    for (int r = 0; r < 8; ++r) energy[r] = means[r] * inverses[r] - log_of(totals[r]);
    Eight inverse;
    load_eight(inverses, inverse);
    for (int64_t c = 0; c < k; ++c)
      load_eight(exps + c * 8, v), v *= inverse, store_eight(v, exps + c * 8);
  }
  int32_t run_steps(double* energies) const {
    if (op.start == RoundStart::kKept) {
      for (int64_t i = 0; i < n; ++i)
        for (int64_t c = 0; c < k; ++c)
          z[i * stride + c] = i >= fixed_rows ? kept[i * k + c] : double(c == fixed[i]);
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
        return op.update == CenterUpdate::kSoft ? z[i * stride + c] : labels[i] == c ? 1.0 : 0.0;
      };
      double sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += share(i);
      if (sum < ClusterRound::kLeastShare) continue;
      for (int64_t i = 0; i < n; ++i) w[i] = share(i) / sum;
    }
  }
  // The first largest of each row; how many classes no row has.
  int32_t find_labels() const {
    std::fill_n(sums, k, 0.0);
    for (int64_t i = 0; i < n; ++i) {
      const double* row = z + i * stride;
      found[i] = int32_t(std::max_element(row, row + k) - row), sums[found[i]] = 1;
    }
    return int32_t(std::count(sums, sums + k, 0.0));
  }
  void run(double* energies, int32_t& taken, int32_t& vanished) const {
    find_costs(), find_ties();
    taken = run_steps(energies);
    if (stream.is_given_up()) return;
    vanished = find_labels();
    if (vanished > 0 && labels[0] >= 0) return;
    for (int64_t i = 0; i < n; ++i) std::copy_n(z + i * stride, k, kept + i * k);
    std::copy_n(found, n, labels);
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
