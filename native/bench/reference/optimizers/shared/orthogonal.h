// Newton–Schulz in plain loops, and the momentum that goes through it.
#pragma once
#include "bench/reference/optimizers/shared/step.h"
#include "bench/reference/shared/rounded_product.h"
#include "ops/optimizers/shared/orthogonal_step.h"

namespace orthokit::bench {

inline Vector transpose(const Vector& x, int64_t rows, int64_t columns) {
  Vector out(x.size());
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) out[size_t(j * rows + i)] = x[size_t(i * columns + j)];
  return out;
}

// The fields of Newton–Schulz that the formula needs.
struct ReferenceSteps {
  List<double> coefficients;
  double scale, eps;
  NsScaling scaling;
  Dtype arithmetic;
};
// Those of an op; those of `polar` converge for whatever is not singular.
inline ReferenceSteps steps_of_reference(const NewtonSchulz& op, Dtype dtype) {
  static std::vector<double> convergent = [] {
    std::vector<double> all;
    for (int i = 0; i < 40; ++i) all.insert(all.end(), {1.875, -1.25, 0.375});
    return all;
  }();
  const List<double> own{convergent.data(), int64_t(convergent.size())};
  return {op.method == NsMethod::kPolar ? own : op.coefficients, op.scale, op.eps, op.scaling,
          arithmetic_of(dtype)};
}
inline ReferenceSteps steps_of_reference(const Orthogonalization& of, Dtype dtype) {
  return steps_of_reference(of.of({}), dtype);
}

// x / (scale ‖x‖ + eps), or of y = x / (‖x‖ + eps) its columns, or the whole, by yᵀ y; of a square
// matrix its rows, by y yᵀ.
inline void scale_to_one(Vector& x, int64_t rows, int64_t columns, const ReferenceSteps& steps) {
  double squares = 0;
  for (double v : x) squares += v * v;
  const bool by_norm = steps.scaling == NsScaling::kFrobenius;
  const double norm = (by_norm ? steps.scale : 1) * std::sqrt(squares) + steps.eps;
  for (double& v : x) v = squares == 0 ? 0 : v / norm;
  if (by_norm) return;
  constexpr double kLeastSum = 1e-7;
  const bool is_square = rows == columns;
  const Vector gram = is_square ? product(x, false, transpose(x, rows, columns), rows, rows, rows)
                                : product(x, true, x, columns, rows, columns);
  double all = 0;
  for (double g : gram) all += g * g;
  for (int64_t j = 0; j < columns; ++j) {
    double sum = 0;
    for (int64_t k = 0; k < columns; ++k) sum += std::abs(gram[size_t(j * columns + k)]);
    const double root = steps.scaling == NsScaling::kAol
                            ? std::sqrt(std::max(sum, kLeastSum))
                            : std::sqrt(std::sqrt(std::max(all, kLeastSum * kLeastSum)));
    for (int64_t i = 0; i < rows; ++i)
      x[size_t(is_square ? j * columns + i : i * columns + j)] /= steps.scale * root;
  }
}

// y ← a y + y (b g + c g²) with g = yᵀ y, for the matrix with at most as many columns as rows.
inline Vector steps_from(Vector x, int64_t rows, int64_t columns, const List<double>& coefficients,
                         Dtype arithmetic) {
  for (int64_t t = 0; t < coefficients.count; t += 3) {
    const double a = coefficients[t], b = coefficients[t + 1], c = coefficients[t + 2];
    const Vector gram = rounded_product(x, true, x, columns, rows, columns, arithmetic);
    Vector poly = rounded_product(gram, false, gram, columns, columns, columns, arithmetic);
    for (size_t i = 0; i < poly.size(); ++i) poly[i] = b * gram[i] + c * poly[i];
    const Vector change = rounded_product(x, false, poly, rows, columns, columns, arithmetic);
    for (size_t i = 0; i < x.size(); ++i) x[i] = a * x[i] + change[i];
  }
  return x;
}

// The steps of x, scaled.
inline Vector newton_schulz(Vector x, int64_t rows, int64_t columns, const ReferenceSteps& steps) {
  if (columns > rows)
    return transpose(newton_schulz(transpose(x, rows, columns), columns, rows, steps), columns,
                     rows);
  scale_to_one(x, rows, columns, steps);
  return steps_from(x, rows, columns, steps.coefficients, steps.arithmetic);
}

// Each matrix of a batch of x's shape.
inline Vector newton_schulz(const Vector& x, const Matrices& s, const ReferenceSteps& steps) {
  Vector out;
  const int64_t size = s.rows * s.columns;
  for (int64_t i = 0; i < s.batch; ++i) {
    const Vector one = newton_schulz(Vector(x.begin() + i * size, x.begin() + (i + 1) * size),
                                     s.rows, s.columns, steps);
    out.insert(out.end(), one.begin(), one.end());
  }
  return out;
}

inline double long_side(const View& v) {
  const Matrices s = matrices(v);
  return double(std::max(s.rows, s.columns));
}
inline double longest_side(const List<View>& list) {
  double longest = 0;
  for (auto& v : list) longest = std::max(longest, long_side(v));
  return longest;
}

// A small singular value grows by the first coefficient in each step, and its rounding error with
// it; so does that of the first product, whose sums are as long as the matrix.
inline double newton_schulz_growth(const NewtonSchulz& op, double longest) {
  // In 16 bits: twice what five steps were measured to lose.
  if (op.dtype == WorkingDtype::kF16) return 1e-2 / 0x1p-24;
  if (op.dtype == WorkingDtype::kBf16) return 6e-2 / 0x1p-24;
  double growth = std::max(16.0, 4 + std::sqrt(longest));
  // Rounding of the first products is divided by the smallest singular value: that of a random
  // matrix at least twice as wide as high is above a sixtieth of its norm.
  if (op.method == NsMethod::kPolar) return 60 * growth;
  for (int64_t t = 0; t < op.coefficients.count; t += 3)
    growth *= std::max(1.0, std::abs(op.coefficients[t]));
  return growth;
}
inline double newton_schulz_growth(const Orthogonalization& of, double longest) {
  return newton_schulz_growth(of.of({}), longest);
}

inline double scale_of(ShapeScale rule, double rows, double columns) {
  switch (rule) {
    case ShapeScale::kOriginal:
      return std::sqrt(std::max(1.0, rows / columns));
    case ShapeScale::kMatchRmsAdamw:
      return 0.2 * std::sqrt(std::max(rows, columns));
    case ShapeScale::kSpectral:
      return std::sqrt(rows / columns);
    case ShapeScale::kMax:
      return std::sqrt(std::max(rows, columns));
    case ShapeScale::kNone:
      break;
  }
  return 1;
}

inline Vector orthogonal_direction(const OrthogonalStep& op, int64_t t) {
  const MomentumRule rule{op.momentum, op.dampening, op.nesterov == Nesterov::kOn, op.form};
  const Vector u = advance(rule, op.momenta[t], decayed_gradient(op.step, t));
  return newton_schulz(u, matrices(op.step.weights[t]),
                       steps_of_reference(op.orthogonalization, op.step.weights[t].dtype));
}

}  // namespace orthokit::bench
