// One optimizer step over a list of parameters: a method gives the direction of four elements, the
// rest is here. A fixed number of launches, and nothing that the host waits for: the guard, the
// counters and the rates are read on the device.
#pragma once
#include <vector>

#include "cuda/lists.cuh"
#include "math/step.h"
#include "ops/optimizers/shared/step.h"

namespace orthokit::cuda {

// The elements that a method is called with: n ≤ kVector of one tensor, from `at`; it writes the
// update u. Behind n, g and w are zeros and u is ignored. Before the first ones of a tensor,
// method.of(tensor) reads what is the same for all of them; it returns a function of each vector.
template <class T>
struct StepVector {
  T g[kVector], w[kVector], u[kVector];
  int64_t at;
  int n;
};

// True if the guard holds the step back. Kernels only.
__device__ __forceinline__ bool is_held(const double* guard) { return guard && *guard != 0; }

// The rate of each tensor: its number on the device, if there are any, times one for all.
struct Rates {
  const double* each = nullptr;
  double same = 1;
  __device__ double of(int tensor) const { return each ? each[tensor] * same : same; }
};

// The operands that every method has, of one tensor.
struct StepTensor {
  const Operand *weights, *grads, *masters;  // masters: null if there are none
  double l2;
};

struct StepFields {
  const Operand *weights, *grads, *masters;  // masters: null if there are none
  const double* guard;
  double keep, l2, cautious;
  Rates rates;
  bool measured;
  __device__ StepTensor of(int tensor) const {
    return {weights + tensor, grads + tensor, masters ? masters + tensor : nullptr, l2};
  }
};

// ---- weights in the type that is computed in

template <class T>
__device__ __forceinline__ void load_weights(const StepTensor& step, StepVector<T>& v) {
  if constexpr (std::is_same_v<T, float>) {
    if (step.masters) {
      const void* const masters = step.masters->data;
      const Dtype dtype = step.masters->dtype;
      if (dtype == Dtype::kF32) return load(masters, dtype, v.at, v.n, v.w);
      uint16_t high[kVector], low[kVector];
      load_raw(step.weights->as<const uint16_t>() + v.at, v.n, high);
      load_raw(static_cast<const uint16_t*>(masters) + v.at, v.n, low);
#pragma unroll
      for (int i = 0; i < kVector; ++i) v.w[i] = __uint_as_float(unsigned(high[i]) << 16 | low[i]);
      return;
    }
  }
  load(*step.weights, v.at, v.n, v.w);
}

template <class T>
__device__ __forceinline__ void store_weights(const StepTensor& step, const StepVector<T>& v) {
  if constexpr (std::is_same_v<T, float>) {
    if (step.masters) {
      void* const masters = step.masters->data;
      const Dtype dtype = step.masters->dtype;
      if (dtype == Dtype::kBf16) {
        uint16_t high[kVector], low[kVector];
#pragma unroll
        for (int i = 0; i < kVector; ++i) {
          const unsigned bits = __float_as_uint(v.w[i]);
          high[i] = uint16_t(bits >> 16), low[i] = uint16_t(bits);
        }
        store_raw(step.weights->as<uint16_t>() + v.at, v.n, high);
        store_raw(static_cast<uint16_t*>(masters) + v.at, v.n, low);
        return;
      }
      store(masters, dtype, v.at, v.n, v.w);
    }
  }
  store(*step.weights, v.at, v.n, v.w);
}

// The gradient that a method sees, l2 decay included: for what looks at it before the step.
template <class T>
__device__ __forceinline__ void load_decayed(const StepTensor& step, StepVector<T>& v) {
  load(*step.grads, v.at, v.n, v.g);
  if (step.l2 == 0) return;
  load_weights(step, v);
#pragma unroll
  for (int i = 0; i < kVector; ++i) v.g[i] += T(step.l2) * v.w[i];
}

// ---- the update

// A method whose updates step the weights in their own way, in take(vector, keep, cautious, rate,
// sums), which adds Σ(change)² and a number of the method's own.
template <class Method>
concept TakesSteps = requires { requires Method::kTakesSteps; };

// The number of sums that a method leaves.
template <class Method>
inline constexpr int kSumsOf = TakesSteps<Method> ? 3 : 2;

// Σg² and Σ(rate·u)² of the calling thread.
template <class T, class Method>
__device__ __forceinline__ Sums<kSumsOf<Method>> step_piece(const StepFields& step,
                                                            const Piece& piece,
                                                            const Method& method) {
  const double rate = step.rates.of(piece.tensor);
  const T keep = T(step.keep), cautious = T(step.cautious), l2 = T(step.l2),
          factor = finite_factor<T>(rate);
  const StepTensor tensor = step.of(piece.tensor);
  const auto update = method.of(piece.tensor);
  Sums<kSumsOf<Method>> sums;
  for_vectors(piece, [&](int64_t at, int n) {
    StepVector<T> v;
    v.at = at, v.n = n;
    load_weights(tensor, v);
    load(*tensor.grads, at, n, v.g);
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      sums.of[0] += double(v.g[i]) * double(v.g[i]);
      if (l2 != 0) v.g[i] += l2 * v.w[i];
    }
    update(v);
    if constexpr (TakesSteps<Method>) {
      update.take(v, keep, cautious, factor, sums);
    } else {
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        const double u = i < n ? rate * double(v.u[i]) : 0;
        sums.of[1] += u * u;
        v.w[i] = cautious == 0 ? math::decayed_step(v.w[i], v.u[i], keep, factor)
                               : math::cautious_step(v.w[i], v.u[i], cautious, factor);
      }
    }
    store_weights(tensor, v);
  });
  return sums;
}

// A kernel without the path for f64, for lists that have no such weight, needs fewer registers:
// more warps hide the time that memory takes.
template <class Method, bool any_f64>
struct StepBody {
  StepFields step;
  Method method;
  __device__ Sums<kSumsOf<Method>> sums(const Piece& piece) const {
    if (is_held(step.guard)) return {};
    if constexpr (any_f64)
      if (step.weights[piece.tensor].dtype == Dtype::kF64)
        return step_piece<double>(step, piece, method);
    return step_piece<float>(step, piece, method);
  }
};

template <class Method, bool any_f64>
struct MeasuredStep : StepBody<Method, any_f64> {
  __device__ Sums<kSumsOf<Method>> operator()(const Piece& piece) const {
    return this->sums(piece);
  }
};
template <class Method, bool any_f64>
struct UnmeasuredStep : StepBody<Method, any_f64> {
  __device__ void operator()(const Piece& piece) const { this->sums(piece); }
};

// Rows that the statistics of each tensor go to.
struct StatisticsPlace {
  double* data;
  const double* grad_squares;  // in place of Σg² that the step has found, or null
  const int64_t* rows;         // null: in order
  __device__ void write(int64_t tensor, double grads, double updates, double own) const {
    double* row = data + 3 * (rows ? rows[tensor] : tensor);
    row[0] = grad_squares ? grad_squares[tensor] : grads;
    row[1] = updates, row[2] = own;
  }
};

// The sums of each tensor, with the method's own number.
struct WriteStatistics {
  StatisticsPlace place;
  const double *guard, *own;  // own: one number a tensor, or null
  __device__ void operator()(int tensor, const Sums<2>& sums) const {
    if (!is_held(guard)) place.write(tensor, sums.of[0], sums.of[1], own ? own[tensor] : 0);
  }
  __device__ void operator()(int tensor, const Sums<3>& sums) const {
    if (!is_held(guard)) place.write(tensor, sums.of[0], sums.of[1], sums.of[2]);
  }
};

// ---- on the host

// The lists of a step: weights, gradients, masters, then the method's own.
inline constexpr int kOwnLists = 3;
inline StepFields fields_of(const Step& step, const Lists& lists, Rates rates) {
  return {lists.of(0),
          lists.of(1),
          step.masters.count > 0 ? lists.of(2) : nullptr,
          step.guard.as<double>(),
          step.keep(),
          step.l2(),
          step.cautious(),
          rates,
          bool(step.statistics)};
}

inline StatisticsPlace statistics_of(const Step& step, Stream& stream) {
  std::vector<int64_t> rows(step.statistics_rows.begin(), step.statistics_rows.end());
  return {step.statistics.as<double>(), step.grad_squares.as<double>(),
          rows.empty() ? nullptr : stream.table(rows.data(), int64_t(rows.size()))};
}

inline bool has_f64(const List<View>& weights) {
  for (auto& w : weights)
    if (w.dtype == Dtype::kF64) return true;
  return false;
}

// w ← keep · w − rate · u for every tensor, u by method.of(tensor)(StepVector<T>&); then the
// statistics, if they are asked for.
template <class Method>
void run_plain_step(const Step& step, const Lists& lists, Rates rates, Stream& stream,
                    const Method& method, const double* own = nullptr) {
  const StepFields fields = fields_of(step, lists, rates);
  const auto run = [&]<bool any_f64>(std::bool_constant<any_f64>) {
    if (!step.statistics)
      return for_pieces(stream, lists, UnmeasuredStep<Method, any_f64>{{fields, method}});
    sum_pieces<kSumsOf<Method>>(stream, lists, MeasuredStep<Method, any_f64>{{fields, method}},
                                WriteStatistics{statistics_of(step, stream), fields.guard, own});
  };
  if (has_f64(step.weights))
    run(std::true_type{});
  else
    run(std::false_type{});
}

// then(tensor, count) for a tensor whose counter is now at count.
template <class Then>
__global__ void __launch_bounds__(kThreads)
    count_steps_kernel(const Operand* steps, int count, const double* guard, Then then) {
  const int tensor = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (tensor >= count || is_held(guard)) return;
  const int32_t now = *steps[tensor].as<int32_t>() + 1;
  *steps[tensor].as<int32_t>() = now;
  then(tensor, double(now));
}

// x ← kept · x + fresh · g. Both numbers are parameters of the kernel, and cost no registers.
struct MovingAverage {
  double kept, fresh;
  explicit MovingAverage(double beta) : kept(beta), fresh(1 - beta) {}
};

struct Nothing {
  __device__ void operator()(int, double) const {}
};

// Adds one to every counter, unless the guard holds the step back, and derives of it what the step
// needs of each tensor.
template <class Then = Nothing>
void count_steps(const Step& step, const Operand* steps, Stream& stream, const Then& then = {}) {
  const int count = int(step.weights.count);
  if (count == 0) return;
  launch(stream, count_steps_kernel<Then>,
         {dim3(unsigned(count + kThreads - 1) / kThreads), kThreads}, steps, count,
         step.guard.as<double>(), then);
}

// The rate of AdaGrad: lr / (1 + (t − 1) · decay).
struct DecayingRate {
  double* rates;
  double lr, decay;
  __device__ void operator()(int tensor, double t) const {
    rates[tensor] = math::decaying_rate(lr, decay, t);
  }
};

}  // namespace orthokit::cuda
