#include "ops/optimizers/dion.h"

#include "core/composer.h"
#include "ops/dense/qr.h"
#include "ops/elementwise/cast.h"
#include "ops/optimizers/apply_update.h"
#include "ops/optimizers/commit.h"
#include "ops/optimizers/unit_columns.h"
#include "ops/products/gemm.h"
#include "ops/reductions/column_reduce.h"

namespace orthokit {
namespace {

// The bases of a group, one after the other in the dtype of its updates.
class GroupBases {
 public:
  GroupBases(const Dion& op, const Group& group, const View& updates, Composer& c)
      : together_(
            c.temporary({updates.shape[0], updates.shape[2], op.rank(group[0])}, updates.dtype)) {
    int64_t matrix = 0;
    for (const int64_t i : group) {
      View own = op.bases[i];
      stored_.push_back(own);
      own.dtype = together_.dtype, own.data = matrix_of(together_, matrix).data;
      used_.push_back(own);
      matrix += matrices(op.step.weights[i]).batch;
    }
    c.run(Cast{.out = list(used_), .x = list(stored_)});
  }
  const View& together() const { return together_; }
  void commit(const View& guard, Composer& c) {
    c.run(Commit{.state = list(stored_), .x = list(used_), .guard = guard});
  }

 private:
  static List<View> list(std::vector<View>& views) { return {views.data(), int64_t(views.size())}; }
  View together_;
  std::vector<View> stored_, used_;
};

void normalize_columns(const View& q, double eps, double least, Composer& c) {
  const Composer::Scope scope(c);
  const View squares = c.temporary({q.shape[0], q.shape[2]}, Dtype::kF64);
  c.run(ColumnReduce{.x = q, .out = squares, .reduction = Reduction::kSumOfSquares});
  c.run(UnitColumns{.x = q, .squares = squares, .out = q, .eps = eps, .least = least});
}

// By how much of its norm a product with m is off, at most: a direction that is less has none.
double rounding_of(const View& m) {
  const double unit = m.dtype == Dtype::kF64 ? 0x1p-53 : 0x1p-24;
  return 16 * unit * std::sqrt(double(std::max(m.shape[1], m.shape[2])));
}

// Parameters of one shape whose bases have one rank.
std::vector<Group> groups_by_rank(const Dion& op) {
  std::vector<Group> groups;
  for (const Group& group : groups_of(op.step.weights)) {
    const size_t first = groups.size();
    for (const int64_t i : group) {
      size_t at = first;
      while (at < groups.size() && op.rank(groups[at][0]) != op.rank(i)) ++at;
      if (at == groups.size()) groups.emplace_back();
      groups[at].push_back(i);
    }
  }
  return groups;
}

}  // namespace

void dion(const Dion& op, Composer& c) {
  constexpr MomentumRule kSum{.momentum = 1, .form = MomentumForm::kHeavyBall};
  for (const Group& group : groups_by_rank(op)) {
    const Composer::Scope scope(c);
    MomentumUpdates updates(op.step, op.momenta, kSum, group, c);
    const View& m = updates.together();
    GroupBases bases(op, group, m, c);
    const View& q = bases.together();
    const int64_t batch = m.shape[0], rank = q.shape[2];
    const View p = c.temporary({batch, m.shape[1], rank}, m.dtype);
    // The orthonormal factor is the same, and the product of a small m and a small q a number.
    normalize_columns(q, 0, 0, c);
    {
      const Composer::Scope inner(c);
      const View mq = c.temporary(p), triangle = c.temporary({batch, rank, rank}, m.dtype);
      c.run(Gemm{.a = m, .b = q, .c = mq});
      c.run(Qr{.matrix = mq, .q = p, .r = triangle});
    }
    c.run(Gemm{.a = m, .b = p, .c = q, .trans_a = Transpose::kTransposed});
    c.run(Gemm{.a = p,
               .b = q,
               .c = m,
               .alpha = op.momentum - 1,
               .beta = 1,
               .trans_b = Transpose::kTransposed});
    updates.commit_momenta(op.momenta, c);
    normalize_columns(q, op.eps, rounding_of(m), c);
    bases.commit(op.step.guard, c);
    c.run(Gemm{.a = p, .b = q, .c = m, .trans_b = Transpose::kTransposed});
    const Matrices shape = matrices(op.step.weights[group[0]]);
    std::vector<double> scales(group.size(), shape_scale(op.shape_scale, shape));
    c.run(ApplyUpdate{.step = updates.step(), .scales = {scales.data(), updates.count()}});
  }
}
ORTHOKIT_COMPOSITION(Dion, dion);

}  // namespace orthokit
