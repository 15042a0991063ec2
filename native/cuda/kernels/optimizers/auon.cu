#include <vector>

#include "cuda/kernels/optimizers/shared/step.cuh"
#include "ops/optimizers/auon.h"

// Whatever the lists hold: a pass for the moments, one for the exact sums, one that steps, each with
// its ending. Where nothing is left to do, a block reads its part's numbers and returns.
//   paper      g m → m; nothing; g m w → w                      28 bytes an element in f32
//   rms        g m → m; g m; g m w → w                          36
//   head       g m w → m w; nothing; nothing                    20, if the rate was foreseen right
namespace orthokit::cuda {

static constexpr double kAuonRounding = 6e-8;  // of f32, relative

// A part is a matrix that has a norm of its own. What its shape and its dtype say:
struct AuonShape {
  double size, scale, longer;  // elements, s, the longer side
  double divisor;              // of lr: the rate of the first pass; 0: it must not step
  double rounding;             // of the dtype
  __host__ __device__ double foreseen(double lr) const { return divisor == 0 ? 0 : lr / divisor; }
};

// What its step needs.
struct AuonPart {
  double second, largest;  // Σu²; max |u| for rms
  // z = factor · u, and log r = ½ log mean cosh² z. Σ sinh² z, or in log space (rms)
  // Σ cosh² z · exp(−2 shift).
  double factor, shift, sum;
  double rate, brake;     // brake = r − 1
  double grads, updates;  // Σg², Σ(rate·u)²
  double foreseen;        // the rate of the first pass; 0: it did not step
  bool exact;             // sum is within rounding
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
  if (shape.size == 0 || part.second == 0) return;
  if (rule.variant == AuonVariant::kRms) {
    const double log_r = part.shift + log(part.sum / shape.size) / 2;
    part.brake = expm1(log_r);
    part.rate =
        rule.lr * shape.scale / (sqrt(part.second / shape.size) * sqrt(shape.longer)) * exp(-log_r);
    return;
  }
  const double mean = part.sum / shape.size, r = sqrt(1 + mean);
  part.brake = mean / (1 + r);
  part.rate = rule.variant == AuonVariant::kHead
                  ? rule.lr / (r + Auon::kFloor)
                  : rule.lr * shape.scale / (sqrt(part.second) + rule.eps) / (r + Auon::kFloor);
}

// The sum within rounding from the moments, or the need for the exact one.
struct AuonSeeMoments {
  const AuonShape* shapes;
  AuonPart* parts;
  AuonRule rule;
  __device__ void operator()(int tensor, const AuonMoments& m) const {
    const AuonShape& shape = shapes[tensor];
    AuonPart& part = parts[tensor];
    part = {};
    part.foreseen = shape.foreseen(rule.lr);
    const double second = m.sums.of[0], fourth = m.sums.of[1], gamma2 = rule.gamma * rule.gamma;
    part.second = second, part.largest = m.largest;
    part.grads = m.sums.of[2], part.updates = m.sums.of[3];
    if (rule.variant == AuonVariant::kRms) {
      part.factor = second == 0 ? 0 : rule.gamma / sqrt(second / shape.size);
      part.shift = part.factor * part.largest;
      part.exact = false;
      return;
    }
    const double norm = sqrt(second);
    part.factor = norm == 0 ? 0 : rule.gamma / (norm + rule.eps);
    const double square = part.factor * part.factor,
                 spread = norm == 0 ? 0 : fourth / (second * second);
    part.sum = square * second + square * square * fourth / 3;
    const double sine = sinh(rule.gamma),
                 rest = (sine * sine - gamma2 - gamma2 * gamma2 / 3) * pow(spread, 1.5);
    // Not where Σu⁴ has left the range of f64, and the rest is no number.
    part.exact = rest <= 1e-6 * gamma2 && rest <= shape.rounding * shape.size;
    if (part.exact) find_rate(rule, shape, part);
  }
};

// ---- second pass: the exact sums, for the parts that need them

struct AuonSecondPass {
  StepFields step;
  const AuonPart* parts;
  AuonLookAhead<false> ahead;
  bool rms;

  template <class T>
  __device__ double sum(const Piece& piece, double factor, double shift) const {
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
        const double z = fabs(factor * double(v.u[i]));
        if (rms) {
          const double half = (1 + exp(-2 * z)) / 2;
          sum += exp(2 * (z - shift)) * half * half;
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
    return {{step.weights[piece.tensor].dtype == Dtype::kF64
                 ? sum<double>(piece, part.factor, part.shift)
                 : sum<float>(piece, part.factor, part.shift)}};
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
                           const double* guard, double* statistics) {
  const int64_t t = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (t >= count || is_held(guard)) return;
  double grads = 0, updates = 0, worst = 0;
  for (int64_t p = first[t]; p < first[t + 1]; ++p) {
    grads += parts[p].grads, updates += parts[p].updates;
    worst = parts[p].brake <= worst ? worst : parts[p].brake;  // NaN stays
  }
  double* row = statistics + 3 * t;
  row[0] = grads, row[1] = updates, row[2] = worst;
}

// ---- on the host

// lr by this is the rate of `head` before u is known, if that will be right to rounding for a u with
// tails like a normal distribution's; else 0. An l2 decay, or weights that round, would not survive a correction.
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
         op.step.guard.as<double>(), op.step.statistics.as<double>());
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
  sum_pieces<1>(stream, lists, AuonSecondPass{fields, parts, ahead, rms},
                AuonTakeExactSum{shapes, parts, rule});
  if (!step.statistics)
    return for_pieces(stream, lists, AuonUnmeasuredThirdPass{{fields, parts, ahead}});
  sum_pieces<2>(stream, lists, AuonMeasuredThirdPass{{fields, parts, ahead}},
                AuonTakeStepSums{parts});
  write_auon_statistics(op, parts, stream);
}
ORTHOKIT_GRAPH_KERNEL(Auon, auon);

}  // namespace orthokit::cuda
