#pragma once
#include <algorithm>
#include <cmath>

#include "core/op.h"

namespace orthokit {

struct RedoSteps {
  static constexpr const char *name = "redo_steps",
                              *summary = "Newton–Schulz again where its result is of no use";
  static constexpr const char* about = R"(
  For each matrix i of `out` with normsᵢ > limit · √n, n its shorter side, or normsᵢ NaN: out = y
  after the steps y ← a y + (b g + c g²) y from y = x, with g = y yᵀ on the shorter side, where x is
  finite. `count` gets their number added. All other matrices stay.
  Numerics: products and sums of 16-bit numbers in f32, rounded at the end; others in the dtype.
  Traffic: none, as long as every norm is in its limit.
  )";
  static constexpr const char* examples[] = {
      "x=f32[3x33x65] out=f32[3x33x65] norms=f64[3] coefficients=1.5,-0.5,0 limit=0.001",
      "x=f64[2x31x17] out=f64[2x31x17] norms=f64[2] count=f64[1] coefficients=0.5,0.25,0.125 "
      "limit=0.001",
      "x=bf16[5x9x9] out=bf16[5x9x9] norms=f64[5] count=f64[1] coefficients=1.5,-0.5,0 limit=0.2",
      "x=f16[1x40x17] out=f16[1x40x17] norms=f64[1] coefficients=1.5,-0.5,0 limit=0",
      "x=f32[3x33x65] out=f32[3x33x65] norms=f64[3] count=f64[1] coefficients=1.5,-0.5,0"};
  static constexpr const char* cases[] = {
      "x=f32[16x256x256] out=f32[16x256x256] norms=f64[16] count=f64[1] coefficients=1.5,-0.5,0"};
  static constexpr int64_t kMostSteps = 100;  // what a kernel's parameters can hold
  View x, norms, out, count;
  List<double> coefficients;
  double limit = 1.5;

  // The largest norm of a result that is of use.
  double most() const {
    const Matrices s = matrices(x);
    return limit * std::sqrt(double(std::min(s.rows, s.columns)));
  }
  // Of all matrices, should none be of use.
  double flops() const {
    const Matrices s = matrices(x);
    const double m = double(std::min(s.rows, s.columns)), n = double(std::max(s.rows, s.columns));
    return double(s.batch) * double(coefficients.count / 3) * (4 * m * m * n + 2 * m * m * m);
  }
  void fields(Fields& f) {
    f.in("x", x), f.in("norms", norms), f.inout("out", out), f.inout("count", count, kOptional);
    f.value("coefficients", coefficients), f.value("limit", limit);
  }
  void check(auto require) const {
    require(x.rank == 3, ErrorCode::kShape, "x must be a batch of matrices", x);
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
    require.array("norms must be f64 with one element a matrix", norms, Dtype::kF64, x.shape[0]);
    if (count) require.array("count must be f64[1]", count, Dtype::kF64, 1);
    require(coefficients.count % 3 == 0, ErrorCode::kArgument, "coefficients must come in threes",
            double(coefficients.count));
    require(coefficients.count <= 3 * kMostSteps, ErrorCode::kArgument,
            "coefficients must be those of 100 steps at most", double(coefficients.count));
    for (double c : coefficients)
      require(std::isfinite(c), ErrorCode::kArgument, "coefficients must be finite", c);
    require(limit >= 0, ErrorCode::kArgument, "limit must not be negative", limit);
  }
};

}  // namespace orthokit
