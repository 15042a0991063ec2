#include "ops/optimizers/dct_adamw.h"

#include <algorithm>
#include <numeric>

#include "bench/reference/optimizers/shared/cosine_subspace.h"

namespace orthokit::bench {
namespace {

// Choices of the last run that rounding decides: which vectors are taken, or whether a coordinate
// is one; the sign that cautious decay looks at; codes, of a single weight one by one.
struct Doubt {
  bool of_choice = false, of_sign = false;
  std::vector<bool> codes;
};
thread_local Doubt doubt;

double norm_of_column(const Vector& x, size_t height, size_t width, size_t j) {
  long double squares = 0;
  for (size_t k = 0; k < height; ++k)
    squares += static_cast<long double>(x[k * width + j]) * x[k * width + j];
  return double(std::sqrt(squares));
}

struct Codes {
  int64_t each, width, columns;  // numbers a byte, bytes a row, numbers a row
  double levels;
};
Codes codes_of(const DctAdamw& op, const Matrices& m) {
  const int64_t each = op.error_feedback == ErrorFeedback::kFourBits ? 2 : 1;
  return {each, (m.columns + each - 1) / each, m.columns, each == 2 ? 15.0 : 255.0};
}

Vector feedback_of(const DctAdamw& op, int64_t t, size_t size) {
  Vector e(size);
  if (op.error_feedback == ErrorFeedback::kOff) return e;
  if (op.error_feedback == ErrorFeedback::kOn)
    return {values(op.feedback[t]), values(op.feedback[t]) + size};
  const Codes c = codes_of(op, matrices(op.step.weights[t]));
  for (size_t i = 0; i < size; ++i) {
    const int64_t row = int64_t(i) / c.columns, j = int64_t(i) % c.columns;
    const int byte = int(values(op.feedback[t])[row * c.width + j / c.each]);
    const int code = c.each == 1 ? byte : j % 2 == 0 ? byte / 16 : byte % 16;
    const double* range = values(op.ranges[t]) + 2 * row;
    e[i] = range[0] + code / c.levels * (range[1] - range[0]);
  }
  return e;
}

// `by`: how far rounding takes each number.
void keep_codes(const DctAdamw& op, int64_t t, const Vector& e, const Vector& by) {
  const Codes c = codes_of(op, matrices(op.step.weights[t]));
  double* bytes = values(op.feedback[t]);
  std::fill_n(bytes, op.feedback[t].size(), 0);
  doubt.codes.assign(size_t(op.feedback[t].size()), op.step.weights.count > 1);
  for (size_t first = 0; first < e.size(); first += size_t(c.columns)) {
    const auto begin = e.begin() + long(first), end = begin + c.columns;
    double* range = values(op.ranges[t]) + 2 * (int64_t(first) / c.columns);
    range[0] = *std::min_element(begin, end), range[1] = *std::max_element(begin, end);
    const double step = (range[1] - range[0]) / c.levels;
    if (!(step > 0)) continue;
    const double most =
        *std::max_element(by.begin() + long(first), by.begin() + long(first) + c.columns);
    for (int64_t j = 0; j < c.columns; ++j) {
      const double place = (begin[j] - range[0]) / step + 0.5,
                   code = std::min(c.levels, std::floor(place));
      const int64_t at = int64_t(first) / c.columns * c.width + j / c.each;
      bytes[at] += c.each == 2 && j % 2 == 0 ? 16 * code : code;
      // Both ends move too, and the step with them.
      if (std::abs(place - std::round(place)) * step <= 4 * most) doubt.codes[size_t(at)] = true;
    }
  }
}

// Indices in ascending order.
// Coordinates that are more than rounding, which is at most `least` of the norm of their column.
void drop_rounding(Vector& all, const CosineBasis& basis, double least) {
  for (size_t j = 0; j < basis.longer(); ++j) {
    const double limit = least * norm_of_column(all, basis.shorter(), basis.longer(), j);
    for (size_t k = 0; k < basis.shorter(); ++k) {
      double& x = all[k * basis.longer() + j];
      const double size = std::abs(x);
      if (size > 0.4 * limit && size < 1.6 * limit) doubt.of_choice = true;
      if (std::isfinite(limit) && size <= limit) x = 0;
    }
  }
}

Vector chosen_of(const CosineBasis& basis, const Vector& all, int64_t rank) {
  const size_t n = basis.shorter(), longer = basis.longer();
  auto order = basis.largest(all, n);
  const size_t count = std::min(size_t(rank), n);
  if (count < n) {
    double scores[2] = {}, off = 0;
    for (size_t j = 0; j < longer; ++j) {
      for (size_t i : {0, 1}) scores[i] += std::abs(all[order[count - 1 + i] * longer + j]);
      off += basis.rounding() * norm_of_column(all, n, longer, j);
    }
    if (scores[0] - scores[1] <= 4 * off && off > 0) doubt.of_choice = true;
  }
  order.resize(count);
  std::ranges::sort(order);
  return {order.begin(), order.end()};
}

// As a step leaves them.
bool are_indices(const Vector& x, size_t n) {
  for (size_t i = 0; i < x.size(); ++i)
    if (x[i] < 0 || x[i] >= double(n) || (i > 0 && x[i] <= x[i - 1])) return false;
  return true;
}

void carry(double* state, const Vector& before, const Vector& indices, size_t longer) {
  const Vector old(state, state + indices.size() * longer);
  for (size_t p = 0; p < indices.size(); ++p) {
    const size_t q = size_t(std::ranges::find(before, indices[p]) - before.begin());
    for (size_t j = 0; j < longer; ++j)
      state[p * longer + j] = q < before.size() ? old[q * longer + j] : 0;
  }
}

// Moments of one matrix' coordinates a; its direction in place of them, and how far rounding takes
// each column of that.
Vector advance_moments(const DctAdamw& op, double count, const Vector& limits, double* m, double* r,
                       Vector& a) {
  const double correction1 = 1 - std::pow(op.beta1, count),
               correction2 = 1 - std::pow(op.beta2, count);
  Vector off(limits.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const double limit = limits[i % limits.size()];
    // Sums of a transform meet infinities of both signs where the definition meets one.
    if (!std::isfinite(m[i]) || !std::isfinite(r[i])) doubt.of_choice = true;
    m[i] = op.beta1 * m[i] + (1 - op.beta1) * a[i];
    r[i] = root_of_squares(std::sqrt(op.beta2) * r[i], std::sqrt(1 - op.beta2) * a[i]);
    const double divisor = r[i] / std::sqrt(correction2) + op.eps;
    const double own = a[i] == 0 ? 0 : (1 - op.beta1) * limit / correction1 / divisor;
    a[i] = divisor == 0 ? 0 : m[i] / correction1 / divisor;
    off[i % limits.size()] += own + std::abs(a[i]) * 0x1p-18;
  }
  return off;
}

void dct_adamw(const DctAdamw& op) {
  const Step& step = op.step;
  doubt = {};
  if (is_held(step.guard)) return;
  for (int64_t t = 0; t < step.weights.count; ++t) {
    const Matrices s = matrices(step.weights[t]);
    const size_t size = size_t(s.rows * s.columns), batch = size > 0 ? size_t(s.batch) : 0;
    const double count = ++*values(op.steps[t]);
    const bool is_due = count == 1 || std::fmod(count, double(op.gap)) == 0;
    Vector x = decayed_gradient(step, t), u(x.size()), by(x.size());
    const Vector before = feedback_of(op, t, x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] += before[i];
      if (!std::isfinite(x[i])) doubt.of_choice = true;
    }
    const CosineBasis basis(step.weights[t], op.basis);
    const size_t n = basis.shorter(), longer = basis.longer(), rank = std::min(size_t(op.rank), n);
    std::vector<size_t> every(n);
    std::iota(every.begin(), every.end(), 0);
    for (size_t b = 0; b < batch; ++b) {
      const Vector own(x.begin() + long(b * size), x.begin() + long((b + 1) * size));
      double *indices = values(op.indices[t]) + b * rank,
             *m = values(op.momenta[t]) + b * rank * longer,
             *r = values(op.roots[t]) + b * rank * longer;
      Vector all = basis.coordinates(own), limits(longer);
      for (size_t j = 0; j < longer; ++j)
        limits[j] = 2 * basis.rounding() * norm_of_column(all, n, longer, j);
      drop_rounding(all, basis, op.least(t));
      if (is_due) {
        const Vector old(indices, indices + rank), chosen = chosen_of(basis, all, op.rank);
        if (op.rotate == Rotation::kOn)
          for (double* state : {m, r}) carry(state, old, chosen, longer);
        std::copy(chosen.begin(), chosen.end(), indices);
      }
      if (!are_indices({indices, indices + rank}, n)) {
        doubt.of_choice = true;
        continue;
      }
      const std::vector<size_t> places(indices, indices + rank);
      Vector a = basis.rows(all, places);
      for (const size_t k : places) std::fill_n(all.begin() + long(k * longer), longer, 0);
      const Vector rest = basis.matrix(all, every);
      const Vector off = advance_moments(op, count, limits, m, r, a), one = basis.matrix(a, places);
      for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < longer; ++j) {
          const size_t at = basis.place(i, j);
          u[b * size + at] = one[at];
          x[b * size + at] = rest[at];
          by[b * size + at] = limits[j];
          const double unsure = off[j] + basis.rounding() * norm_of_column(a, rank, longer, j);
          if (std::abs(one[at]) <= unsure && unsure > 0) doubt.of_sign = true;
        }
    }
    if (op.error_feedback == ErrorFeedback::kOn)
      std::ranges::copy(x, values(op.feedback[t]));
    else if (op.error_feedback != ErrorFeedback::kOff)
      keep_codes(op, t, x, by);
    note(step, t, apply(step, t, u, step.lr));
  }
}

double terms_of(const DctAdamw& op, std::string_view tensor, int64_t j) {
  const bool is_cautious = op.step.weight_decay_mode == WeightDecayMode::kCautious;
  const bool is_weight = tensor == "weights" || tensor == "masters";
  const bool is_code = tensor == "feedback" && size_t(j) < doubt.codes.size();
  return doubt.of_choice || (is_weight && is_cautious && doubt.of_sign) ||
                 (is_code && doubt.codes[size_t(j)])
             ? kUnsteady
             : 0;
}

}  // namespace
ORTHOKIT_REFERENCE(DctAdamw, dct_adamw, 32);
ORTHOKIT_SOME_TERMS(DctAdamw, terms_of);

}  // namespace orthokit::bench
