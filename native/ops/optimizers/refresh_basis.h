#pragma once
#include "ops/optimizers/shared/projection.h"

namespace orthokit {

struct RefreshBasis {
  static constexpr const char *name = "refresh_basis",
                              *summary = "singular vectors of matrices, if a counter is due";
  static constexpr const char* about = R"(
  Where `steps` is a multiple of `gap`, basis = the left singular vectors of each matrix of x (side
  'left'), or the right ones ('right'), as columns, by falling singular values: as many as the shorter
  side of x. 'std' takes those of the shorter side, the right ones of a square matrix, 'reverse_std' the
  others. Else nothing changes, and so under a guard that is not 0. A matrix that is not finite has a
  basis of NaN.
  Those of the shorter side are the eigenvectors of x xᵀ or xᵀ x in f64; those of the longer one x times
  them, made orthonormal, and where the singular value is 0 the axis of which most is left beside the
  others, the first that has nine tenths of that. Of each, the first entry that has nine tenths of the
  size of the largest is positive; a matrix of zeros has the axes in their order, and the vectors of
  equal singular values are those that the eigensolver leaves.
  Numerics: f64, rounded once. Singular values below 1e-8 of the largest count as 0.
  Traffic: one read, one write, and some hundred passes over a square of the shorter side, if it is due;
  for the longer side two passes over its vectors for each of them besides.
  )";
  static constexpr const char* examples[] = {
      "x=f32[3x33x17] basis=f32[3x17x17] steps=i32[1] gap=1",
      "x=f64[2x17x33] basis=f64[2x17x17] steps=i32[1] gap=1 guard=f64[1]",
      "x=f64[1x31x5] basis=f64[1x31x5] steps=i32[1] gap=1 side=left",
      "x=f32[1x7x31] basis=f32[1x31x7] steps=i32[1] gap=1 side=reverse_std",
      "x=f32[1x31x7] basis=f32[1x7x7] steps=i32[1] gap=2000 side=right"};
  static constexpr const char* cases[] = {
      "x=f32[1x256x256] basis=f32[1x256x256] steps=i32[1] gap=1"};
  View x, steps, guard, basis;
  int64_t gap = 2000;
  ProjectionSide side = ProjectionSide::kStd;

  // Singular values below this share of the largest count as 0.
  static constexpr double kLeastSingular = 1e-8;

  Projection projection() const { return projection_of(x, side); }
  // The side whose Gram matrix is solved, the shorter one.
  bool solves_left() const {
    const Projection p = projection();
    return p.is_longer() ? !p.is_left : p.is_left;
  }
  double flops() const {
    const Projection p = projection();
    const double n = double(p.vectors()),
                 solved = n * double(x.size()) * 2 + 9 * n * n * n * double(p.of.batch);
    return solved + (p.is_longer() ? 2 * n * double(x.size()) + 8 * n * double(p.basis_size()) : 0);
  }
  void fields(Fields& f) {
    f.in("x", x), f.in("steps", steps), f.in("guard", guard, kOptional);
    f.inout("basis", basis);
    f.value("gap", gap), f.value("side", side);
  }
  void check(auto require) const {
    require(x.rank == 3, ErrorCode::kShape, "x must be a batch of matrices", x);
    require(is_f32_or_f64(x), ErrorCode::kDtype, "x must be f32 or f64", x);
    require(basis.dtype == x.dtype, ErrorCode::kDtype, "basis must have the dtype of x", basis);
    require(basis.size() == projection().basis_size(), ErrorCode::kShape,
            "basis must have a row for each element of a vector, and the shorter side's columns",
            basis, "x", x);
    require.array("steps must be i32[1]", steps, Dtype::kI32, 1);
    if (guard) require.array("guard must be f64[1]", guard, Dtype::kF64, 1);
    require(gap >= 1, ErrorCode::kArgument, "gap must be at least 1", double(gap));
  }
};

}  // namespace orthokit
