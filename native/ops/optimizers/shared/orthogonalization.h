// The Newton–Schulz of a step: the fields of its op, under the names that the steps have for them.
#pragma once
#include "ops/products/newton_schulz.h"

namespace orthokit {

struct Orthogonalization {
  View fallbacks;
  List<double> coefficients, restarts;  // a, b, c of each step; where the Gram matrix is made anew
  double eps = 1e-7, norm_scale = 1;
  WorkingDtype dtype = WorkingDtype::kOwn;
  NsMethod method = NsMethod::kNewtonSchulz;
  NsScaling scaling = NsScaling::kFrobenius;

  NewtonSchulz of(const View& x) const {
    return {.x = x,
            .out = x,
            .fallbacks = fallbacks,
            .coefficients = coefficients,
            .restarts = restarts,
            .eps = eps,
            .scale = norm_scale,
            .dtype = dtype,
            .method = method,
            .scaling = scaling};
  }
  double flops(const Matrices& s, Dtype own) const {
    View x;
    x.rank = 3, x.dtype = own;
    x.shape[0] = s.batch, x.shape[1] = s.rows, x.shape[2] = s.columns;
    return of(x).flops();
  }
  void operands(Fields& f) { f.inout("fallbacks", fallbacks, kOptional); }
  void values(Fields& f) {
    f.value("coefficients", coefficients), f.value("nsRestarts", restarts);
    f.value("eps", eps), f.value("normScale", norm_scale);
    f.value("nsDtype", dtype), f.value("nsMethod", method), f.value("nsScaling", scaling);
  }
  void check(auto require) const {
    if (fallbacks) require.array("fallbacks must be f64[1]", fallbacks, Dtype::kF64, 1);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
    require(norm_scale > 0, ErrorCode::kArgument, "normScale must be positive", norm_scale);
    check_steps(
        require,
        {"coefficients must be left out for nsMethod polar",
         "nsDtype must be f32 or f64 for nsMethod polar",
         "nsScaling must keep the polar factor for nsMethod polar",
         "coefficients must be those of 100 steps at most in 16 bits and for nsMethods auto, gram",
         "nsRestarts must be left out but for nsMethods auto and gram",
         "nsRestarts must rise, from 1 on, and count steps that there are"},
        method, coefficients, restarts, dtype, scaling);
  }
};

}  // namespace orthokit
