#include <algorithm>
#include <vector>

#include "cuda/kernels/optimizers/shared/step.cuh"
#include "math/held.h"
#include "ops/optimizers/auon.h"
#include "ops/shared/square_range.h"

// Whatever the lists hold: a pass for the moments, one for the exact sums, one that steps, each
// with its ending; with f64 also one for norms whose squares have left the range of f64. A block
// that has nothing left to do reads its part's numbers and returns.
//   paper      g m → m; nothing; g m w → w                      28 bytes an element in f32
//   rms        g m → m; g m; g m w → w                          36
//   head       g m w → m w; nothing; nothing                    20, if the rate was foreseen right
namespace orthokit::cuda {

static constexpr double kAuonRounding = 6e-8;  // of f32, relative

// A part is a matrix that has a norm of its own; this follows from its shape and its dtype.
struct AuonShape {
  double size, scale, longer;  // elements, s, the longer side
  double divisor;              // of lr: the rate of the first pass; 0: it must not step
  double rounding;             // of the dtype
  __host__ __device__ double foreseen(double lr) const { return divisor == 0 ? 0 : lr / divisor; }
};

// Found for its step.
struct AuonPart {
  double second, fourth, largest;  // Σu², Σu⁴; max |u| for rms
  double norm;                     // ‖u‖
  // z = factor · u, none larger than `most`, and r = sqrt(1 + mean sinh² z), of which the log is
  // ½ log mean cosh² z. Σ sinh² z, or in log space Σ cosh² z · exp(−2 most).
  double factor, most, sum;
  double rate, brake;     // brake = r − 1
  double grads, updates;  // Σg², Σ(rate·u)²
  double foreseen;        // the rate of the first pass; 0: it did not step
  bool exact;             // sum is within rounding
  __device__ bool in_logs() const { return most > Auon::kMostSquared; }
};

struct AuonRule {
  MomentumRule momentum;
  AuonVariant variant;
  double lr, gamma, eps;
};

struct AuonMoments {
  Sums<4> sums;  // Σu², Σu⁴, and of a first pass that steps Σg², Σ(rate·u)²
  double largest = 0;
  __device__ void add(const AuonMoments& other) {
    sums.add(other.sums);
    largest = fmax(largest, other.largest);
  }
};
__device__ __forceinline__ AuonMoments block_sum(AuonMoments moments) {
  moments.sums = block_sum(moments.sums);
  moments.largest = block_reduce<Max>(moments.largest);
  return moments;
}

// The vector that is scaled: the momentum's look-ahead, or the gradient. `advance` also brings the
// momentum up to date.
template <bool advance>
struct AuonLookAheadOfTensor {
  const Operand* momentum;  // null: none
  MomentumRule rule;
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    T m[kVector];
    const T beta = T(rule.momentum), fresh = T(rule.fresh());
    if (momentum) {
      load(*momentum, v.at, v.n, m);
      if constexpr (advance) {
#pragma unroll
        for (int i = 0; i < kVector; ++i) m[i] = beta * m[i] + fresh * v.g[i];
        if (momentum->dtype == Dtype::kF16) {
#pragma unroll
          for (int i = 0; i < kVector; ++i) m[i] = math::held_in_f16(m[i]);
        }
        store_rounded(*momentum, v.at, v.n, m);
      }
    }
#pragma unroll
    for (int i = 0; i < kVector; ++i)
      v.u[i] = !momentum ? v.g[i] : rule.nesterov ? beta * m[i] + fresh * v.g[i] : m[i];
  }
};
template <bool advance>
struct AuonLookAhead {
  const Operand* momenta;  // null: none
  MomentumRule rule;
  __device__ AuonLookAheadOfTensor<advance> of(int tensor) const {
    return {momenta ? momenta + tensor : nullptr, rule};
  }
};

// ---- first pass: momentum and moments, and where the rate is foreseen the step too

template <class T>
__device__ __forceinline__ void add_moments(const StepVector<T>& v, bool rms,
                                            AuonMoments& moments) {
#pragma unroll
  for (int i = 0; i < kVector; ++i) {
    const double u = i < v.n ? double(v.u[i]) : 0, square = u * u;
    moments.sums.of[0] += square;
    if (rms)
      moments.largest = fmax(moments.largest, fabs(u));
    else
      moments.sums.of[1] += square * square;
  }
}

struct AuonMeasuredLookAheadOfTensor {
  AuonLookAheadOfTensor<true> ahead;
  AuonMoments* moments;
  template <class T>
  __device__ void operator()(StepVector<T>& v) const {
    ahead(v);
    add_moments(v, false, *moments);
  }
};
struct AuonMeasuredLookAhead {
  AuonLookAhead<true> ahead;
  AuonMoments* moments;
  __device__ AuonMeasuredLookAheadOfTensor of(int tensor) const {
    return {ahead.of(tensor), moments};
  }
};

template <bool measured>
struct AuonFirstPass {
  StepFields step;
  const AuonShape* shapes;
  double lr;
  AuonLookAhead<true> ahead;
  bool rms;

  template <class T>
  __device__ void look(const Piece& piece, AuonMoments& moments) const {
    const StepTensor tensor = step.of(piece.tensor);
    const auto own = ahead.of(piece.tensor);
    for_vectors(piece, [&](int64_t at, int n) {
      StepVector<T> v;
      v.at = at, v.n = n;
      load_decayed(tensor, v);
      own(v);
      add_moments(v, rms, moments);
    });
  }
  __device__ AuonMoments operator()(const Piece& piece) const {
    AuonMoments moments;
    if (is_held(step.guard)) return moments;
    const double foreseen = shapes[piece.tensor].foreseen(lr);
    if (foreseen != 0) {
      StepFields fields = step;
      fields.rates = {.same = foreseen};
      const Sums<2> sums = step_piece<float>(fields, piece, AuonMeasuredLookAhead{ahead, &moments});
      if constexpr (measured) moments.sums.of[2] = sums.of[0], moments.sums.of[3] = sums.of[1];
    } else if (step.weights[piece.tensor].dtype == Dtype::kF64) {
      look<double>(piece, moments);
    } else {
      look<float>(piece, moments);
    }
    return moments;
  }
};

// The part's rate, and r − 1, from the sum.
static __device__ void find_rate(const AuonRule& rule, const AuonShape& shape, AuonPart& part) {
  part.rate = part.brake = 0;
  if (shape.size == 0 || part.norm == 0) return;
  const double rms = part.norm / sqrt(shape.size) * sqrt(shape.longer);
  if (part.in_logs()) {
    const double log_r = part.most + log(part.sum / shape.size) / 2;
    part.brake = expm1(log_r);
    part.rate = rule.lr * shape.scale / rms * exp(-log_r);
    return;
  }
  const double mean = part.sum / shape.size, r = sqrt(1 + mean);
  part.brake = mean / (1 + r);
  if (rule.variant == AuonVariant::kRms) {
    part.rate = rule.lr * shape.scale / rms / r;
    return;
  }
  part.rate = rule.variant == AuonVariant::kHead
                  ? rule.lr / (r + Auon::kFloor)
                  : rule.lr * shape.scale / (part.norm + rule.eps) / (r + Auon::kFloor);
}

// The sum within rounding from the moments, or the need for the exact one.
static __device__ void see_moments(const AuonRule& rule, const AuonShape& shape, AuonPart& part) {
  const double second = part.second, norm = part.norm, gamma2 = rule.gamma * rule.gamma;
  if (rule.variant == AuonVariant::kRms) {
    part.factor = norm == 0 ? 0 : rule.gamma / (norm / sqrt(shape.size));
    part.most = part.factor * part.largest;
    part.exact = false;
    return;
  }
  part.most = rule.gamma;
  part.factor = norm == 0 ? 0 : rule.gamma / (norm + rule.eps);
  const double square = part.factor * part.factor,
               spread = norm == 0 ? 0 : part.fourth / (second * second);
  part.sum = square * second + square * square * part.fourth / 3;
  const double sine = sinh(rule.gamma),
               rest = (sine * sine - gamma2 - gamma2 * gamma2 / 3) * pow(spread, 1.5);
  // Not where Σu² or Σu⁴ has left the range of f64, and the rest is no number.
  part.exact = norm == 0 || (scale_for(second) == 1 && rest <= 1e-6 * gamma2 &&
                             rest <= shape.rounding * shape.size);
  if (part.exact) find_rate(rule, shape, part);
}
struct AuonSeeMoments {
  const AuonShape* shapes;
  AuonPart* parts;
  AuonRule rule;
  __device__ void operator()(int tensor, const AuonMoments& m) const {
    const AuonShape& shape = shapes[tensor];
    AuonPart& part = parts[tensor];
    part = {};
    part.foreseen = shape.foreseen(rule.lr);
    part.second = m.sums.of[0], part.fourth = m.sums.of[1], part.largest = m.largest;
    part.norm = sqrt(part.second);
    part.grads = m.sums.of[2], part.updates = m.sums.of[3];
    see_moments(rule, shape, part);
  }
};

// ---- of f64 whose squares have left the range of f64: the norm again

struct AuonScaledSquares {
  StepFields step;
  const AuonPart* parts;
  AuonLookAhead<false> ahead;
  __device__ Sums<1> operator()(const Piece& piece) const {
    Sums<1> sums;
    if (is_held(step.guard) || step.weights[piece.tensor].dtype != Dtype::kF64) return sums;
    const double scale = scale_for(parts[piece.tensor].second);
    if (scale == 1) return sums;
    const StepTensor tensor = step.of(piece.tensor);
    const auto own = ahead.of(piece.tensor);
    for_vectors(piece, [&](int64_t at, int n) {
      StepVector<double> v;
      v.at = at, v.n = n;
      load_decayed(tensor, v);
      own(v);
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        const double u = i < n ? scale * v.u[i] : 0;
        sums.of[0] += u * u;
      }
    });
    return sums;
  }
};

struct AuonTakeScaledSquares {
  const Operand* weights;
  const AuonShape* shapes;
  AuonPart* parts;
  AuonRule rule;
  __device__ void operator()(int tensor, const Sums<1>& sums) const {
    AuonPart& part = parts[tensor];
    const double scale = scale_for(part.second);
    if (weights[tensor].dtype != Dtype::kF64 || scale == 1) return;
    part.norm = sqrt(sums.of[0]) / scale;
    see_moments(rule, shapes[tensor], part);
  }
};

// ---- second pass: the exact sums, for the parts that need them

struct AuonSecondPass {
  StepFields step;
  const AuonPart* parts;
  AuonLookAhead<false> ahead;

  template <class T>
  __device__ double sum(const Piece& piece, const AuonPart& part) const {
    const StepTensor tensor = step.of(piece.tensor);
    const auto own = ahead.of(piece.tensor);
    double sum = 0;
    for_vectors(piece, [&](int64_t at, int n) {
      StepVector<T> v;
      v.at = at, v.n = n;
      load_decayed(tensor, v);
      own(v);
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        if (i >= n) break;
        const double z = fabs(part.factor * double(v.u[i]));
        if (part.in_logs()) {
          const double half = (1 + exp(-2 * z)) / 2;
          sum += exp(2 * (z - part.most)) * half * half;
        } else {
          const double sine = sinh(z);
          sum += sine * sine;
        }
      }
    });
    return sum;
  }
  __device__ Sums<1> operator()(const Piece& piece) const {
    if (is_held(step.guard)) return {};
    const AuonPart& part = parts[piece.tensor];
    if (part.exact) return {};
    return {{step.weights[piece.tensor].dtype == Dtype::kF64 ? sum<double>(piece, part)
                                                             : sum<float>(piece, part)}};
  }
};

struct AuonTakeExactSum {
  const AuonShape* shapes;
  AuonPart* parts;
  AuonRule rule;
  __device__ void operator()(int tensor, const Sums<1>& sums) const {
    AuonPart& part = parts[tensor];
    if (part.exact) return;
    part.sum = sums.of[0];
    find_rate(rule, shapes[tensor], part);
  }
};

// ---- third pass: the step, or what is left of it

static __device__ __forceinline__ bool needs_correction(const AuonPart& part) {
  return !(fabs(part.rate - part.foreseen) <= kAuonRounding * fabs(part.rate));
}

struct AuonThirdPass {
  StepFields step;
  const AuonPart* parts;
  AuonLookAhead<false> ahead;

  __device__ Sums<2> sums(const Piece& piece) const {
    if (is_held(step.guard)) return {};
    const AuonPart& part = parts[piece.tensor];
    if (part.foreseen != 0 && !needs_correction(part)) return {};
    StepFields fields = step;
    fields.rates = {.same = part.rate - part.foreseen};
    if (part.foreseen != 0) fields.keep = 1, fields.cautious = 0;  // the decay is done
    return step.weights[piece.tensor].dtype == Dtype::kF64
               ? step_piece<double>(fields, piece, ahead)
               : step_piece<float>(fields, piece, ahead);
  }
};
struct AuonMeasuredThirdPass : AuonThirdPass {
  __device__ Sums<2> operator()(const Piece& piece) const { return sums(piece); }
};
struct AuonUnmeasuredThirdPass : AuonThirdPass {
  __device__ void operator()(const Piece& piece) const { sums(piece); }
};

struct AuonTakeStepSums {
  AuonPart* parts;
  __device__ void operator()(int tensor, const Sums<2>& sums) const {
    AuonPart& part = parts[tensor];
    if (part.foreseen == 0) {
      part.grads = sums.of[0], part.updates = sums.of[1];
    } else if (needs_correction(part)) {
      const double ratio = part.rate / part.foreseen;
      part.updates *= ratio * ratio;
    }
  }
};

// A thread a parameter, over its parts: those of parameter t from first[t].
static __global__ void __launch_bounds__(kThreads)
    auon_statistics_kernel(const AuonPart* parts, const int64_t* first, int64_t count,
                           const double* guard, StatisticsPlace statistics) {
  const int64_t t = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (t >= count || is_held(guard)) return;
  double grads = 0, updates = 0, worst = 0;
  for (int64_t p = first[t]; p < first[t + 1]; ++p) {
    grads += parts[p].grads, updates += parts[p].updates;
    worst = parts[p].brake <= worst ? worst : parts[p].brake;  // NaN stays
  }
  statistics.write(t, grads, updates, worst);
}

// ---- on the host

// lr by this is the rate of `head` before u is known, if that will be right to rounding for a u
// with tails like a normal distribution's; else 0. An l2 decay, or weights that round, would not
// survive a correction.
static double foreseen_divisor(const Auon& op, const View& w) {
  const bool exact =
      w.dtype == Dtype::kF32 || (w.dtype != Dtype::kF64 && op.step.masters.count > 0);
  if (op.variant != AuonVariant::kHead || !exact || op.step.l2() != 0 || w.size() == 0) return 0;
  const double n = double(w.size()), gamma2 = op.gamma * op.gamma, sine = std::sinh(op.gamma);
  if ((sine * sine - gamma2) * 3 / (2 * n * n) > kAuonRounding / 2) return 0;
  return std::sqrt(1 + gamma2 / n) + Auon::kFloor;
}

static AuonShape shape_of(const Auon& op, const View& w) {
  const Matrices m = matrices(w);
  AuonShape shape{};
  shape.size = double(w.size());
  shape.scale = w.rank < 2 ? 1 : std::sqrt(std::max(1.0, double(m.rows) / double(m.columns)));
  shape.longer = double(w.rank < 2 ? w.size() : std::max(m.rows, m.columns));
  shape.divisor = foreseen_divisor(op, w);
  shape.rounding = w.dtype == Dtype::kF64 ? 1e-16 : kAuonRounding;
  return shape;
}

static std::vector<View> split(const List<View>& list, const Auon& op) {
  std::vector<View> parts;
  for (int64_t t = 0; t < list.count; ++t) {
    const int64_t count = op.parts(op.step.weights[t]);
    for (int64_t i = 0; i < count; ++i)
      parts.push_back(count == 1 ? list[t] : matrix_of(list[t], i));
  }
  return parts;
}

static List<View> list_of(std::vector<View>& views) {
  return {views.data(), int64_t(views.size())};
}

static void write_auon_statistics(const Auon& op, const AuonPart* parts, Stream& stream) {
  std::vector<int64_t> first{0};
  for (auto& w : op.step.weights) first.push_back(first.back() + op.parts(w));
  const int64_t count = op.step.weights.count;
  const auto* copy = stream.table(first.data(), int64_t(first.size()));
  launch(stream, auon_statistics_kernel,
         {dim3(unsigned((count + kThreads - 1) / kThreads)), kThreads}, parts, copy, count,
         op.step.guard.as<double>(), statistics_of(op.step, stream));
}

static void auon(const Auon& op, Stream& stream) {
  if (op.step.weights.count == 0) return;
  const Step& step = op.step;
  std::vector<View> weights = split(step.weights, op), grads = split(step.grads, op),
                    masters = split(step.masters, op), momenta = split(op.momenta, op);
  const Lists lists(stream, {list_of(weights), list_of(grads), list_of(masters), list_of(momenta)});
  std::vector<AuonShape> all;
  for (auto& w : weights) all.push_back(shape_of(op, w));
  const auto* shapes =
      static_cast<const AuonShape*>(stream.table_bytes(all.data(), all.size() * sizeof(AuonShape)));
  auto* parts = stream.scratch<AuonPart>(int64_t(all.size()) + 1);

  const AuonRule rule{op.rule(), op.variant, step.lr, op.gamma, op.eps};
  const StepFields fields = fields_of(step, lists, {});
  const Operand* state = op.momenta.count > 0 ? lists.of(kOwnLists) : nullptr;
  const bool rms = op.variant == AuonVariant::kRms;
  const AuonLookAhead<false> ahead{state, rule.momentum};

  const auto see = [&]<bool measured>(std::bool_constant<measured>) {
    reduce_pieces<AuonMoments>(
        stream, lists,
        AuonFirstPass<measured>{fields, shapes, step.lr, {state, rule.momentum}, rms},
        AuonSeeMoments{shapes, parts, rule});
  };
  if (step.statistics)
    see(std::true_type{});
  else
    see(std::false_type{});
  const bool has_wide =
      std::ranges::any_of(weights, [](const View& w) { return w.dtype == Dtype::kF64; });
  if (has_wide)
    sum_pieces<1>(stream, lists, AuonScaledSquares{fields, parts, ahead},
                  AuonTakeScaledSquares{fields.weights, shapes, parts, rule});
  sum_pieces<1>(stream, lists, AuonSecondPass{fields, parts, ahead},
                AuonTakeExactSum{shapes, parts, rule});
  if (!step.statistics)
    return for_pieces(stream, lists, AuonUnmeasuredThirdPass{{fields, parts, ahead}});
  sum_pieces<2>(stream, lists, AuonMeasuredThirdPass{{fields, parts, ahead}},
                AuonTakeStepSums{parts});
  write_auon_statistics(op, parts, stream);
}
ORTHOKIT_GRAPH_KERNEL(Auon, auon);

}  // namespace orthokit::cuda
