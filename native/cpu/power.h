// Powers with one exponent for all elements.
#pragma once
#include "cpu/elementary.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// As pow of C, √0 is +0 and √−∞ is ∞.
inline double root_of(double x) {
  const double infinite = std::numeric_limits<double>::infinity();
  return x == -infinite ? infinite : std::sqrt(x) + 0.0;
}

// xᵉ for a float: f64 has the digits that the logarithm times e loses.
struct FloatPower {
  double exponent, odd, below_zero;  // odd: −1 or 1; below_zero: 1, or NaN where e is not whole
  explicit FloatPower(double e)
      : exponent(e),
        odd(std::fmod(e, 2) != 0 && std::trunc(e) == e ? -1 : 1),
        below_zero(std::trunc(e) == e ? 1 : std::numeric_limits<double>::quiet_NaN()) {}
  double operator()(double x) const {
    const double magnitude = exp_of(exponent * log_of(std::abs(x)));
    const double negative =
        x > -std::numeric_limits<double>::infinity() ? magnitude * below_zero : magnitude;
    const double signed_power = std::copysign(1.0, x) < 0 ? magnitude * odd : magnitude;
    return x < 0 ? negative * odd : signed_power;
  }
};

// body(f), where f(x) is xᵉ, within 2 ulp.
template <class Body>
void with_power(double e, Body&& body) {
  if (e == 2) return body([](double x) { return x * x; });
  if (e == 3) return body([](double x) { return x * x * x; });
  if (e == -1) return body([](double x) { return 1 / x; });
  if (e == 0.5) return body([](double x) { return root_of(x); });
  if (e == -0.5) return body([](double x) { return 1 / root_of(x); });
  if (!std::isfinite(e) || e == 0) return body([e](double x) { return std::pow(x, e); });
  body([e, power = FloatPower(e)]<class T>(T x) -> double {
    if constexpr (sizeof(T) == 4)
      return power(double(x));
    else
      return std::pow(x, e);
  });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
