// Counts of flops() for functions that are not one sum or product: the sums and products of the
// polynomial that computes them in f32, without comparisons and integer work, which other units of
// a processor do beside. A quotient or a root counts as the four steps of an iteration that refines
// an estimate. f64 takes longer polynomials; that an f64 sum or product takes twice the time of
// one in f32 stands in the rate that the bench divides by, that of the first operand's type, or,
// where f32 data are summed in f64, here.
#pragma once
#include "core/op.h"

namespace orthokit {

inline constexpr double kQuotientFlops = 8, kRootFlops = 8;
inline constexpr double kExpFlops = 20;  // reduction 7, polynomial 11, power 2
inline constexpr double kLogFlops = 28;
inline constexpr double kTanhFlops = kExpFlops + 5 + kQuotientFlops;
inline constexpr double kSigmoidFlops = kExpFlops + 1 + kQuotientFlops;
inline constexpr double kSoftplusFlops = kExpFlops + 15 + kQuotientFlops;
inline constexpr double kNormalTailFlops = kExpFlops + 26 + kQuotientFlops;  // of GELU's form erf
inline constexpr double kWideFlops = 2;  // one sum or product in f64 beside f32 data

// One sum or product in f64, for the rate of `first`, which the first operand is.
inline double wide_flops(const View& first) { return first.dtype == Dtype::kF64 ? 1 : kWideFlops; }

}  // namespace orthokit
