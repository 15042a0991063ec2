#include "cuda/convert.cuh"
#include "cuda/rows.cuh"
#include "ops/rows/project_rows.h"

namespace orthokit::cuda {

struct Identity {
  __device__ static double of(double v) { return v; }
};
struct Magnitude {
  __device__ static double of(double v) { return fabs(v); }
};

// τ with Σ max(V(xⱼ) − τ, 0) = total > 0, less the largest value: the steps of the CPU.
template <class V, class Team, class S>
__device__ double threshold(const Team& team, const S* x, int64_t columns, double largest,
                            double total) {
  double tau = -total;
  while (true) {
    double sum = 0, count = 0;
    team.visit(
        columns,
        [&](int64_t, S raw) {
          const double v = V::of(convert<double>(raw)) - largest;
          if (v > tau) sum += v, count += 1;
        },
        x);
    sum = team.sum(sum);
    count = team.sum(count);
    const double next = (sum - total) / count;
    if (!(next > tau)) return tau;
    tau = next;
  }
}

template <class V, class Team, class S>
__device__ double largest_of(const Team& team, const S* x, int64_t columns) {
  double largest = Max::neutral<double>();
  team.visit(
      columns, [&](int64_t, S v) { largest = Max::combine(largest, V::of(convert<double>(v))); },
      x);
  return team.template reduce<Max>(largest);
}

// A kernel for each set: one for all would need more registers than the largest blocks leave.
template <class S, RowSet set>
struct ProjectRow {
  static constexpr int kBlocks = 2, kLongRowThreads = 512;
  const S *x, *normal;
  S* out;
  int64_t columns;
  double size;

  template <class Team>
  __device__ void operator()(const Team& team, int64_t row) const {
    const S* from = x + row * columns;
    S* to = out + row * columns;
    double check = 0;
    team.visit(
        columns, [&](int64_t, S v) { check += convert<double>(v) * 0; }, from);
    check = team.sum(check);
    if (check != check) return fill(team, to, from, check);
    if constexpr (set == RowSet::kHalfspace) {
      halfspace(team, from, to);
    } else {
      if (size == 0) return fill(team, to, from, 0);
      if constexpr (set == RowSet::kSimplex) simplex(team, from, to);
      if constexpr (set == RowSet::kBall) ball(team, from, to);
      if constexpr (set == RowSet::kL1Ball) l1_ball(team, from, to);
    }
  }

  template <class Team>
  __device__ void fill(const Team& team, S* to, const S* from, double value) const {
    team.map(
        columns, to, [=](int64_t, S) { return convert<S>(value); }, from);
  }
  template <class Team>
  __device__ void keep(const Team& team, S* to, const S* from) const {
    if (to == from) return;
    team.map(
        columns, to, [](int64_t, S v) { return v; }, from);
  }
  template <class Team>
  __device__ void simplex(const Team& team, const S* from, S* to) const {
    const double largest = largest_of<Identity>(team, from, columns);
    const double tau = threshold<Identity>(team, from, columns, largest, size);
    const auto moved = [=](int64_t, S v) {
      return convert<S>(fmax(convert<double>(v) - largest - tau, 0.0));
    };
    team.map(columns, to, moved, from);
  }
  template <class Team>
  __device__ void l1_ball(const Team& team, const S* from, S* to) const {
    double sum = 0;
    team.visit(
        columns, [&](int64_t, S v) { sum += fabs(convert<double>(v)); }, from);
    if (team.sum(sum) <= size) return keep(team, to, from);
    const double largest = largest_of<Magnitude>(team, from, columns);
    const double tau = threshold<Magnitude>(team, from, columns, largest, size);
    const auto moved = [=](int64_t, S raw) {
      const double v = convert<double>(raw);
      return convert<S>(copysign(fmax(fabs(v) - largest - tau, 0.0), v));
    };
    team.map(columns, to, moved, from);
  }
  template <class Team>
  __device__ void ball(const Team& team, const S* from, S* to) const {
    const double largest = largest_of<Magnitude>(team, from, columns), share = size / largest;
    double square = 0;
    const auto add = [&](int64_t, S raw) {
      const double v = convert<double>(raw) / largest;
      square += v * v;
    };
    team.visit(columns, add, from);
    const double length = sqrt(team.sum(square));
    if (!(length > share)) return keep(team, to, from);
    const double factor = share / length;
    team.map(
        columns, to, [=](int64_t, S v) { return convert<S>(convert<double>(v) * factor); }, from);
  }
  template <class Team>
  __device__ void halfspace(const Team& team, const S* from, S* to) const {
    const double largest = largest_of<Magnitude>(team, normal, columns);
    const double unit = largest > 0 ? largest : 1;
    double square = 0, product = 0;
    const auto add = [&](int64_t, S v, S raw) {
      const double a = convert<double>(raw) / unit;
      square += a * a, product += a * convert<double>(v);
    };
    team.visit(columns, add, from, normal);
    square = team.sum(square);
    const double excess = team.sum(product) - size / unit;
    if (excess <= 0) return keep(team, to, from);
    const double factor = excess / square;
    const auto moved = [=](int64_t, S v, S raw) {
      return convert<S>(convert<double>(v) - factor * (convert<double>(raw) / unit));
    };
    team.map(columns, to, moved, from, normal);
  }
};

template <RowSet set>
static void project_onto(const ProjectRows& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>)
      for_rows(
          stream, rows, columns,
          ProjectRow<S, set>{op.x.as<S>(), op.normal.as<S>(), op.out.as<S>(), columns, op.size});
  });
}

static void project_rows(const ProjectRows& op, Stream& stream) {
  switch (op.set) {
    case RowSet::kSimplex:
      return project_onto<RowSet::kSimplex>(op, stream);
    case RowSet::kL1Ball:
      return project_onto<RowSet::kL1Ball>(op, stream);
    case RowSet::kBall:
      return project_onto<RowSet::kBall>(op, stream);
    case RowSet::kHalfspace:
      return project_onto<RowSet::kHalfspace>(op, stream);
  }
}
ORTHOKIT_KERNEL(ProjectRows, project_rows);

}  // namespace orthokit::cuda
