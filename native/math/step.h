// Formulas of optimizer steps, one number at a time.
#pragma once
#include <cmath>

namespace orthokit::math {

// 1, −1, or x itself where it is 0 or NaN.
template <class T>
constexpr T sign_of(T x) {
  return x > 0 ? T(1) : x < 0 ? T(-1) : x;
}

// w ← keep · w − rate · u.
template <class T>
constexpr T decayed_step(T w, T u, T keep, T rate) {
  return keep * w - rate * u;
}

// The same with a decay only where w and u agree in sign; 0 agrees with both.
template <class T>
constexpr T cautious_step(T w, T u, T decay, T rate) {
  const bool agrees = (w >= 0 && u >= 0) || (w <= 0 && u <= 0);
  return w - ((agrees ? decay * w : T(0)) + rate * u);
}

// AdaGrad's rate at step t, from 1 on.
constexpr double decaying_rate(double lr, double decay, double t) {
  return lr / (1 + (t - 1) * decay);
}

// Factors of AdamW's first moment and of the root of its second, which make up for the zeros that
// the averages began with t steps ago.
struct BiasCorrections {
  double momentum, root;
};
template <class Real>
constexpr BiasCorrections bias_corrections(Real beta1, Real beta2, Real t) {
  return {1 / (1 - std::pow(beta1, t)), 1 / std::sqrt(1 - std::pow(beta2, t))};
}

}  // namespace orthokit::math
