// Sums over pairs of a query and a key, and how far rounding may take each.
#pragma once
#include <limits>

#include "bench/reference/network/shared/attention_pairs.h"

namespace orthokit::bench {

// A number's change by rounding to the operands' type, where that has 16 bits: an instruction that
// multiplies matrices may take all numbers of a sum so.
struct HalfRounding {
  double by = 0;     // the number rounded, less itself
  double doubt = 0;  // how far that is from what it is for a number as far off as may be
};

inline HalfRounding half_rounding(Dtype dtype, double x, double off) {
  if (!is_half(dtype)) return {};
  const auto rounded = [&](double v) -> double {
    return dtype == Dtype::kF16 ? to_float(to_half(float(v))) : to_float(to_bfloat16(float(v)));
  };
  return {rounded(x) - x, rounded(x + off) - rounded(x - off)};
}

// The most that it does to a number of which only the size is known: p before it is divided by the
// sum of all, which is at least 1.
inline HalfRounding most_half_rounding(Dtype dtype, double x) {
  constexpr double kLeastHalf = 0x1p-25;  // half the distance of f16's subnormal numbers
  if (!is_half(dtype)) return {};
  const double most = std::abs(x) * unit_of(dtype);
  return {0, dtype == Dtype::kF16 ? std::max(most, kLeastHalf) : most};
}

// p or a slope of a pair, which multiplies elements of a row.
struct PairFactor {
  double value;
  double off;             // how far rounding takes it, each pair's by chance
  double score, log_sum;  // constants that these are multiplied by round, for all pairs alike
  HalfRounding half;
  double common = 0;   // how far it is off with all others of its query
  double flushed = 0;  // how far it is off because p is taken as 0, all pairs to the same side
  double least = 0;    // how far an element that it multiplies is off where that is subnormal
};

struct PairSum {
  double sum = 0, by_scores = 0, by_log_sums = 0, common = 0, flushed = 0, halved = 0, doubt = 0;
  long double squares = 0, walked = 0, squares_off = 0;
  int64_t count = 0;

  // `moved`: what the result moves by where the factor does.
  void add(const PairFactor& f, double x, double moved) {
    const double term = f.value * x;
    const long double exact = term, off = (long double)(f.off) * moved;
    sum += term, squares += exact * exact, walked += (long double)(sum)*sum, ++count;
    squares_off += off * off;
    by_scores += f.score * f.value * moved, by_log_sums += f.log_sum * f.value * moved;
    common += f.common * moved,
        flushed += f.flushed * std::abs(moved) + f.least * std::abs(f.value);
    halved += f.half.by * x, doubt += f.half.doubt * std::abs(x);
  }
  void add(const PairFactor& f, double x) { add(f, x, x); }

  // As InnerProduct::terms has it.
  double walk() const { return size_of_walk(sum, squares, walked, count); }
  // The size of its terms, such that its rounding is growth · unit times that.
  double terms(double growth, double unit) const {
    constexpr double kOfConstants = 2;                                      // roundings
    if (!std::isfinite(halved) || !std::isfinite(doubt)) return kUnsteady;  // past the type's end
    const double off =
        double(std::sqrt(squares_off)) + std::abs(common) + flushed + std::abs(halved) + doubt;
    return walk() + off / (growth * unit) +
           kOfConstants * (std::abs(by_scores) + std::abs(by_log_sums)) / growth;
  }
};

inline std::vector<double> terms_of_sums(const std::vector<PairSum>& sums, double growth,
                                         double unit) {
  std::vector<double> terms;
  for (const PairSum& sum : sums) terms.push_back(sum.terms(growth, unit));
  return terms;
}

// The smallest positive number of arithmetic with this unit.
inline double least_subnormal(double unit) {
  return unit == unit_of(Dtype::kF64) ? std::numeric_limits<double>::denorm_min()
                                      : double(std::numeric_limits<float>::denorm_min());
}

// p = eˣ, and how far it is off if x is off by so much; kernels take a p near the smallest normal
// number as 0.
struct PairWeight {
  double p, off, flushed;
  PairWeight(double x, double off_by, double unit)
      : p(std::exp(x)),
        off(std::exp(x + off_by) * -std::expm1(-off_by)),
        flushed(std::min(p, least(unit))) {}

 private:
  static double least(double unit) {
    return 4 * (unit == unit_of(Dtype::kF64) ? std::numeric_limits<double>::min()
                                             : double(std::numeric_limits<float>::min()));
  }
};

}  // namespace orthokit::bench
