#include "ops/optimizers/auon.h"

#include <array>

#include "cpu/fused.h"
#include "cpu/kernels/optimizers/shared/moments.h"
#include "cpu/kernels/optimizers/shared/momentum_pass.h"
#include "cpu/kernels/optimizers/shared/state.h"
#include "math/held.h"
#include "ops/shared/square_range.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

constexpr double kRounding = 6e-8;  // of f32, relative
// Gradients and momenta of so many elements stay in the last cache between the two passes.
constexpr int64_t kGroup = int64_t(1) << 20;

// The vector that is scaled: the momentum's look-ahead, or the gradient. `advance` also brings the
// momentum up to date.
template <class T, bool advance>
void look_ahead(const Auon& op, const List<View>& momenta, int64_t part, int64_t at, int64_t n,
                const T* g, T* u) {
  if (momenta.count == 0) {
    std::copy_n(g, n, u);
    return;
  }
  const MomentumRule rule = op.rule();
  const T beta = T(rule.momentum), fresh = T(rule.fresh());
  State<T> state(momenta[part], at, n);
  T* __restrict m = state.data();
  if (advance && state.is_rounded()) {
    for (int64_t i = 0; i < n; ++i) {
      const T gradient = g[i], momentum = beta * m[i] + fresh * gradient;
      u[i] = rule.nesterov ? beta * momentum + fresh * gradient : momentum;
      m[i] = momentum;
    }
    return;
  }
  if constexpr (advance) {
    for (int64_t i = 0; i < n; ++i) m[i] = beta * m[i] + fresh * g[i];
    if (momenta[part].dtype == Dtype::kF16)
      for (int64_t i = 0; i < n; ++i) m[i] = math::held_in_f16(m[i]);
    state.round();
  }
  for (int64_t i = 0; i < n; ++i) u[i] = rule.nesterov ? beta * m[i] + fresh * g[i] : m[i];
}

// Every matrix that has a norm of its own, as a parameter of its own.
struct Parts {
  Step step;
  List<View> momenta;
  int64_t* owner;  // the parameter of each part
};

List<View> split(const List<View>& list, const Auon& op, int64_t total, Stream& stream) {
  if (list.count == 0) return {};
  List<View> parts(stream.scratch<View>(total), total);
  int64_t next = 0;
  for (int64_t t = 0; t < list.count; ++t) {
    const int64_t count = op.parts(op.step.weights[t]);
    for (int64_t i = 0; i < count; ++i)
      parts[next++] = count == 1 ? list[t] : matrix_of(list[t], i);
  }
  return parts;
}

List<View> sublist(const List<View>& list, int64_t first, int64_t count) {
  return list.count == 0 ? list : List<View>(&list[first], count);
}

// Some of the parts, in a row; borrows from `all`.
Parts some_of(const Parts& all, int64_t first, int64_t count) {
  Parts some{all.step, sublist(all.momenta, first, count), all.owner + first};
  some.step.weights = sublist(all.step.weights, first, count);
  some.step.grads = sublist(all.step.grads, first, count);
  some.step.masters = sublist(all.step.masters, first, count);
  return some;
}

Parts parts_of(const Auon& op, Stream& stream) {
  int64_t total = 0;
  for (auto& w : op.step.weights) total += op.parts(w);
  Parts parts{op.step, split(op.momenta, op, total, stream), stream.scratch<int64_t>(total)};
  parts.step.weights = split(op.step.weights, op, total, stream);
  parts.step.grads = split(op.step.grads, op, total, stream);
  parts.step.masters = split(op.step.masters, op, total, stream);
  int64_t next = 0;
  for (int64_t t = 0; t < op.step.weights.count; ++t)
    for (int64_t i = op.parts(op.step.weights[t]); i > 0; --i) parts.owner[next++] = t;
  return parts;
}

// body(u, n) for each block of a chunk, u in the type that is computed in.
template <bool advance, class Body>
void for_blocks(const Auon& op, const Parts& parts, const Chunk& c, Body&& body) {
  visit(parts.step.weights[c.tensor].dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32,
        [&]<class T>() {
          alignas(64) T weights[kBlock], grads[kBlock], u[kBlock];
          for (int64_t done = 0; done < c.size; done += kBlock) {
            const int64_t n = std::min(kBlock, c.size - done), at = c.begin + done;
            const T* g = load(parts.step.grads[c.tensor], at, n, grads);
            const T* w =
                parts.step.l2() == 0 ? nullptr : load_weights(parts.step, c.tensor, at, n, weights);
            look_ahead<T, advance>(op, parts.momenta, c.tensor, at, n,
                                   decayed_grads(parts.step, g, w, n, grads), u);
            body(u, n);
          }
        });
}

// A part's z = factor · u, and r = sqrt(1 + mean sinh² z), of which the log is ½ log mean cosh² z.
struct Brake {
  double factor = 0;
  double most = 0;  // no |z| is larger
  double sum = 0;   // Σ sinh² z, or in log space Σ cosh² z · exp(−2 most)
  bool exact = true;
  bool in_logs() const { return most > Auon::kMostSquared; }
};

// S within rounding from the moments, or the need for the exact sum.
Brake brake_from(const Auon& op, const Moments& m, double norm, int64_t n, double rounding,
                 double sinh) {
  Brake b;
  const double gamma2 = op.gamma * op.gamma;
  if (op.variant == AuonVariant::kRms) {
    b.factor = norm == 0 ? 0 : op.gamma / (norm / std::sqrt(double(n)));
    b.most = b.factor * m.largest;
    b.exact = false;
    return b;
  }
  b.most = op.gamma;
  b.factor = norm == 0 ? 0 : op.gamma / (norm + op.eps);
  const double square = b.factor * b.factor,
               spread = norm == 0 ? 0 : m.fourth / (m.second * m.second);
  b.sum = square * m.second + square * square * m.fourth / 3;
  const double rest = (sinh * sinh - gamma2 - gamma2 * gamma2 / 3) * spread * std::sqrt(spread);
  // Not where Σu² or Σu⁴ has left the range of f64, and the rest is no number.
  b.exact = norm == 0 ||
            (scale_for(m.second) == 1 && rest <= 1e-6 * gamma2 && rest <= rounding * double(n));
  return b;
}

// sinh² z = Σ 2^(2j−1) z^2j / (2j)!: for |z| ≤ 2, what is left out is below the rounding of f64.
constexpr double kSeriesEnd = 2;
constexpr int kTerms = 15;
inline double sinh_squared(double square) {
  static constexpr std::array<double, kTerms> kFactors = [] {
    std::array<double, kTerms> f{};
    double factor = 0.5;
    for (int j = 1; j <= kTerms; ++j) f[j - 1] = factor *= 4.0 / ((2 * j - 1) * (2 * j));
    return f;
  }();
  double sum = kFactors[kTerms - 1];
#pragma GCC unroll 16
  for (int j = kTerms - 2; j >= 0; --j) sum = fused(sum, square, kFactors[j]);
  return sum * square;
}

template <class T>
double exact_sum(const Brake& b, const T* u, int64_t n) {
  if (b.in_logs())
    return sum_of(n, [&](int64_t i) {
      const double z = std::abs(b.factor * double(u[i])), half = (1 + std::exp(-2 * z)) / 2;
      return std::exp(2 * (z - b.most)) * half * half;
    });
  if (b.most <= kSeriesEnd)
    return sum_of(n, [&](int64_t i) {
      const double z = b.factor * double(u[i]);
      return sinh_squared(z * z);
    });
  return sum_of(n, [&](int64_t i) {
    const double s = std::sinh(b.factor * double(u[i]));
    return s * s;
  });
}

// The part's rate, and r − 1.
double rate_of(const Auon& op, const View& part, double norm, const Brake& b, double* brake) {
  const double n = double(part.size());
  const Matrices s = matrices(part);
  if (n == 0 || norm == 0) return *brake = 0;
  const double scale =
      part.rank < 2 ? 1 : std::sqrt(std::max(1.0, double(s.rows) / double(s.columns)));
  const double longer = double(part.rank < 2 ? part.size() : std::max(s.rows, s.columns)),
               rms = norm / std::sqrt(n) * std::sqrt(longer);
  if (b.in_logs()) {
    const double log_r = b.most + std::log(b.sum / n) / 2;
    *brake = std::expm1(log_r);
    return op.step.lr * scale / rms * std::exp(-log_r);
  }
  const double mean = b.sum / n, r = std::sqrt(1 + mean);
  *brake = mean / (1 + r);
  if (op.variant == AuonVariant::kRms) return op.step.lr * scale / rms / r;
  if (op.variant == AuonVariant::kHead) return op.step.lr / (r + Auon::kFloor);
  return op.step.lr * scale / (norm + op.eps) / (r + Auon::kFloor);
}

// The rate of `head` before u is known, if it will be right to rounding for a u with tails like a
// normal distribution's; else 0. An l2 decay, or weights that round, would not survive a
// correction.
double foreseen_rate(const Auon& op, const Step& step, int64_t part, double sinh) {
  const View& w = step.weights[part];
  const bool exact = w.dtype == Dtype::kF32 || (w.dtype != Dtype::kF64 && step.masters.count > 0);
  if (op.variant != AuonVariant::kHead || !exact || step.l2() != 0 || w.size() == 0) return 0;
  const double n = double(w.size()), gamma2 = op.gamma * op.gamma;
  if ((sinh * sinh - gamma2) * 3 / (2 * n * n) > kRounding / 2) return 0;
  return op.step.lr / (std::sqrt(1 + gamma2 / n) + Auon::kFloor);
}

// Brings a chunk whose step was done at one rate to another.
void correct_chunk(const Auon& op, const Parts& parts, const Chunk& c, double from, double to,
                   StepSums& sums) {
  Step rest = parts.step;
  rest.weight_decay = 0, rest.statistics = {};
  step_chunk<float>(rest, c, to - from, [&](const Block<float>& b) {
    look_ahead<float, false>(op, parts.momenta, b.tensor, b.begin, b.size, b.grads, b.update);
  });
  sums.update *= to / from * (to / from);
}

// ‖u‖ of each part. Those of f64 whose squares have left the range of f64 take another pass.
void find_norms(const Auon& op, const Parts& parts, const Chunks& chunks, const Moments* moments,
                Stream& stream, double* norms) {
  const int64_t count = parts.step.weights.count;
  auto* scales = stream.scratch<double>(count);
  bool is_over = true;
  for (int64_t p = 0; p < count; ++p) {
    norms[p] = std::sqrt(moments[p].second);
    const View& part = parts.step.weights[p];
    scales[p] = part.dtype == Dtype::kF64 ? scale_for(moments[p].second) : 1;
    is_over = is_over && scales[p] == 1;
  }
  if (is_over) return;
  auto* partial = stream.scratch<double>(chunks.count());
  chunks.run([&](const Chunk& c) {
    double sum = 0;
    const double scale = scales[c.tensor];
    if (scale != 1)
      for_blocks<false>(op, parts, c, [&](const auto* u, int64_t n) {
        sum += sum_of(n, [=](int64_t i) { return scale * u[i] * (scale * u[i]); });
      });
    partial[c.index] = sum;
  });
  chunks.reduce(partial, [&](int64_t p, double sum) {
    if (scales[p] != 1) norms[p] = std::sqrt(sum) / scales[p];
  });
}

// Steps of some parts; the sums and the brake of each.
void step_parts(const Auon& op, const Parts& parts, Stream& stream, StepSums* sums, double* brake) {
  const double sinh = std::sinh(op.gamma);
  const int64_t count = parts.step.weights.count;
  const Chunks chunks(parts.step.weights, stream);

  auto* foreseen = stream.scratch<double>(count);
  for (int64_t p = 0; p < count; ++p) foreseen[p] = foreseen_rate(op, parts.step, p, sinh);
  auto* partial = stream.scratch<Moments>(chunks.count());
  auto* steps = stream.scratch<StepSums>(chunks.count());
  const bool rms = op.variant == AuonVariant::kRms;
  const auto arrays_of = [&](const Chunk& c) {
    return rms ? MomentumArrays{} : momentum_arrays(parts.step, parts.momenta, c);
  };
  chunks.run([&](const Chunk& c) {
    const double rate = foreseen[c.tensor];
    const MomentumArrays arrays = arrays_of(c);
    if (arrays.g != nullptr) {
      const MomentumFactors factors = factors_of(op.rule(), parts.step, rate);
      constexpr Powers kPowers = Powers::kSquaresAndFourth;
      const PowerSums sums = rate != 0
                                 ? momentum_pass<Pass::kBoth, kPowers>(factors, arrays, c.size)
                                 : momentum_pass<Pass::kMomentum, kPowers>(factors, arrays, c.size);
      partial[c.index] = {sums.second, sums.fourth};
      steps[c.index] = {sums.grad, rate * rate * sums.second};
      return;
    }
    MomentSum sum(rms ? MomentsOf::kLargest : MomentsOf::kFourth);
    const auto add = [&](const auto* u, int64_t n) { sum.add(u, n); };
    if (rate != 0)
      steps[c.index] = step_chunk<float>(parts.step, c, rate, [&](const Block<float>& b) {
        look_ahead<float, true>(op, parts.momenta, b.tensor, b.begin, b.size, b.grads, b.update);
        add(b.update, b.size);
      });
    else
      for_blocks<true>(op, parts, c, add);
    partial[c.index] = sum.total();
  });
  auto* moments = stream.scratch<Moments>(count);
  auto* norms = stream.scratch<double>(count);
  auto* brakes = stream.scratch<Brake>(count);
  chunks.reduce(partial, [&](int64_t p, const Moments& sum) { moments[p] = sum; });
  find_norms(op, parts, chunks, moments, stream, norms);
  bool exact = true;
  for (int64_t p = 0; p < count; ++p) {
    const View& part = parts.step.weights[p];
    const double rounding = part.dtype == Dtype::kF64 ? 1e-16 : kRounding;
    brakes[p] = brake_from(op, moments[p], norms[p], part.size(), rounding, sinh);
    exact = exact && brakes[p].exact;
  }

  if (!exact) {
    auto* sums = stream.scratch<double>(chunks.count());
    chunks.run([&](const Chunk& c) {
      double sum = 0;
      const Brake& b = brakes[c.tensor];
      if (!b.exact)
        for_blocks<false>(op, parts, c,
                          [&](const auto* u, int64_t n) { sum += exact_sum(b, u, n); });
      sums[c.index] = sum;
    });
    chunks.reduce(sums, [&](int64_t p, double sum) {
      if (!brakes[p].exact) brakes[p].sum = sum;
    });
  }

  auto* rates = stream.scratch<double>(count);
  for (int64_t p = 0; p < count; ++p)
    rates[p] = rate_of(op, parts.step.weights[p], norms[p], brakes[p], &brake[p]);
  chunks.run([&](const Chunk& c) {
    const double done = foreseen[c.tensor], rate = rates[c.tensor];
    const MomentumArrays arrays = arrays_of(c);
    if (done == 0 && arrays.g != nullptr) {
      momentum_pass<Pass::kStep, Powers::kNone>(factors_of(op.rule(), parts.step, rate), arrays,
                                                c.size);
      steps[c.index].update = rate * rate * partial[c.index].second;
    } else if (done == 0)
      steps[c.index] = any_step_chunk(parts.step, c, rate, [&]<class T>(const Block<T>& b) {
        look_ahead<T, false>(op, parts.momenta, b.tensor, b.begin, b.size, b.grads, b.update);
      });
    else if (!(std::abs(rate - done) <= kRounding * std::abs(rate)))
      correct_chunk(op, parts, c, done, rate, steps[c.index]);
  });
  chunks.reduce(steps, [&](int64_t p, const StepSums& sum) { sums[p] = sum; });
}

}  // namespace

void auon(const Auon& op, Stream& stream) {
  if (is_held(op.step.guard)) return;
  const Parts parts = parts_of(op, stream);
  const int64_t count = parts.step.weights.count;
  auto* sums = stream.scratch<StepSums>(count);
  auto* brake = stream.scratch<double>(count);
  for (int64_t first = 0, end = 0; first < count; first = end) {
    int64_t elements = parts.step.weights[end++].size();
    while (end < count && (elements += parts.step.weights[end].size()) <= kGroup) ++end;
    step_parts(op, some_of(parts, first, end - first), stream, sums + first, brake + first);
  }

  for (int64_t t = 0, p = 0; t < op.step.weights.count; ++t) {
    StepSums total;
    double worst = 0;  // of the parameter's matrices
    for (; p < count && parts.owner[p] == t; ++p)
      total += sums[p],
          worst = brake[p] <= worst || worst != worst ? worst : brake[p];  // NaN stays
    write_statistics(op.step, t, total, worst);
  }
}
ORTHOKIT_KERNEL(Auon, auon);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
