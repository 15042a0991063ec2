// Shared parts of the ways to run an orthogonal matching pursuit.
#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

enum class OnDependent : int32_t { kSkip, kStop };
inline Words words(OnDependent) {
  static constexpr const char* list[] = {"skip", "stop"};
  return list;
}

// When a pursuit ends, what it passes over, and how often it refines.
struct PursuitLimits {
  double tol = 0, rel_tol = 0, floor = 0, dependence = 1e-6;
  int64_t refinements = 1;
  OnDependent on_dependent = OnDependent::kSkip;

  // The |r|² at which a signal of |y|² = `whole` has ended; without its |y|² only `tol` counts.
  constexpr double target(double whole) const {
    const double relative = rel_tol * rel_tol * whole;
    return relative > tol ? relative : tol;
  }
  constexpr bool stops() const { return on_dependent == OnDependent::kStop; }

  void fields(Fields& f) {
    f.value("tol", tol), f.value("relTol", rel_tol), f.value("rounding", floor);
    f.value("dependence", dependence), f.value("refinements", refinements);
    f.value("onDependent", on_dependent);
  }
  void check(auto require) const {
    for (auto& [what, number] : {std::pair{"tol must not be negative", tol},
                                 std::pair{"relTol must not be negative", rel_tol},
                                 std::pair{"rounding must not be negative", floor},
                                 std::pair{"dependence must not be negative", dependence}})
      require(number >= 0, ErrorCode::kArgument, what, number);
    require(refinements >= 0 && refinements <= 100, ErrorCode::kArgument,
            "refinements must be 0 to 100", double(refinements));
  }
};

// Atoms passed over at one step before a signal ends.
inline constexpr int kMostSkips = 8;

// Size of the state of a signal's least squares, in f64: z of L z = D[I] y, then L packed by rows,
// with reciprocals on its diagonal.
constexpr int64_t support_doubles(int64_t most) { return most * (most + 1) / 2 + most; }

// Cost of the algebra of `steps` steps, factor and substitutions.
inline double pursuit_algebra_flops(double steps) { return 2 * steps * steps * steps / 3; }

}  // namespace orthokit
