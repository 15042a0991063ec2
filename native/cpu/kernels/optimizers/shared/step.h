// One optimizer step over a list of parameters: a kernel gives the direction of a block, the rest
// is here.
#pragma once
#include <cmath>
#include <concepts>

#include "cpu/ask_for.h"
#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/sums.h"
#include "math/step.h"
#include "ops/optimizers/shared/step.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct StepSums {
  double grad = 0, update = 0;  // Σg², Σ(rate·u)²
  double own = 0;               // of a direction that takes its steps itself
  StepSums& operator+=(const StepSums& other) {
    grad += other.grad, update += other.update, own += other.own;
    return *this;
  }
};

// A block as a direction sees it: at most kBlock elements from `begin` of one tensor. Writes
// `update`.
template <class T>
struct Block {
  const T *grads, *weights;
  T* update;
  int64_t tensor, begin, size;
};

inline bool is_held(const View& guard) { return guard && *guard.as<double>() != 0; }

// ---- weights in the type that is computed in

template <class T>
T* load_weights(const Step& step, int64_t tensor, int64_t at, int64_t n, T* buffer) {
  const View& weights = step.weights[tensor];
  if constexpr (std::is_same_v<T, float>) {
    if (step.masters.count > 0) {
      const View& masters = step.masters[tensor];
      if (masters.dtype == Dtype::kF32) return masters.as<float>() + at;
      const auto *high = weights.as<uint16_t>() + at, *low = masters.as<uint16_t>() + at;
      for (int64_t i = 0; i < n; ++i)
        buffer[i] = std::bit_cast<float>(uint32_t(high[i]) << 16 | low[i]);
      return buffer;
    }
  }
  load(weights, at, n, buffer);
  return target(weights, at, buffer);
}

template <class T>
void store_weights(const Step& step, int64_t tensor, int64_t at, int64_t n, const T* values) {
  const View& weights = step.weights[tensor];
  if constexpr (std::is_same_v<T, float>) {
    if (step.masters.count > 0 && step.masters[tensor].dtype == Dtype::kBf16) {
      auto *high = weights.as<uint16_t>() + at, *low = step.masters[tensor].as<uint16_t>() + at;
      for (int64_t i = 0; i < n; ++i) {
        const uint32_t bits = std::bit_cast<uint32_t>(values[i]);
        high[i] = uint16_t(bits >> 16), low[i] = uint16_t(bits);
      }
      return;
    }
  }
  store(weights, at, n, values);
}

// The gradient that the method sees: with the l2 decay of weights w, which may be null without one.
template <class T>
const T* decayed_grads(const Step& step, const T* g, const T* w, int64_t n, T* buffer) {
  const T l2 = T(step.l2());
  if (l2 == 0) return g;
  for (int64_t i = 0; i < n; ++i) buffer[i] = g[i] + l2 * w[i];
  return buffer;
}

// ---- the update

template <class T>
void apply_update(T* __restrict w, const T* __restrict u, int64_t n, T keep, T rate, T cautious) {
  if (cautious == 0) {
    for (int64_t i = 0; i < n; ++i) w[i] = math::decayed_step(w[i], u[i], keep, rate);
    return;
  }
  for (int64_t i = 0; i < n; ++i) w[i] = math::cautious_step(w[i], u[i], cautious, rate);
}

// A direction that has its own way to step the weights by the update: the sums of what it has done.
// It is told where the gradients of the next block lie, and asks for these and the next weights.
template <class Direction, class T>
concept TakesSteps =
    requires(const Direction& direction, const Step& step, T* x, const T* next, double rate) {
      { direction.take(step, x, x, int64_t(), rate, next) } -> std::same_as<StepSums>;
    };

template <class T, class Direction>
StepSums step_chunk(const Step& step, const Chunk& chunk, double rate, Direction&& direction) {
  alignas(64) T weights[kBlock], grads[kBlock], update[kBlock];
  const bool measured = bool(step.statistics), sums_grads = measured && !step.grad_squares;
  const T keep = T(step.keep()), cautious = T(step.cautious()), factor = finite_factor<T>(rate);
  StepSums sums;
  for (int64_t done = 0; done < chunk.size; done += kBlock) {
    const int64_t at = chunk.begin + done, n = std::min(kBlock, chunk.size - done);
    T* w = load_weights(step, chunk.tensor, at, n, weights);
    const T* g = load(step.grads[chunk.tensor], at, n, grads);
    const T* next_grads = g + n;
    if constexpr (!TakesSteps<Direction, T>)
      if (const int64_t next = std::min(kBlock, chunk.size - done - n); next > 0)
        ask_for(w + n, next * int64_t(sizeof(T))), ask_for(next_grads, next * int64_t(sizeof(T)));
    if (sums_grads) sums.grad += block_sum_of_squares(g, n);
    g = decayed_grads(step, g, w, n, grads);
    direction(Block<T>{g, w, update, chunk.tensor, at, n});
    if constexpr (TakesSteps<Direction, T>) {
      sums += direction.take(step, w, update, n, rate, next_grads);
    } else {
      if (measured) sums.update += rate * rate * block_sum_of_squares(update, n);
      apply_update(w, update, n, keep, factor, cautious);
    }
    store_weights(step, chunk.tensor, at, n, w);
  }
  return sums;
}

template <class Direction>
StepSums any_step_chunk(const Step& step, const Chunk& c, double rate, Direction&& direction) {
  if (step.weights[c.tensor].dtype == Dtype::kF64)
    return step_chunk<double>(step, c, rate, direction);
  return step_chunk<float>(step, c, rate, direction);
}

// step(chunk) for all chunks: the sums of each tensor, in scratch memory.
template <class StepOfChunk>
StepSums* run_chunks(const Step& step, Stream& stream, StepOfChunk&& step_of) {
  const Chunks chunks(step.weights, stream);
  auto* partial = stream.scratch<StepSums>(chunks.count());
  chunks.run([&](const Chunk& c) { partial[c.index] = step_of(c); });
  auto* sums = stream.scratch<StepSums>(step.weights.count);
  chunks.reduce(partial, [&](int64_t t, const StepSums& sum) { sums[t] = sum; });
  return sums;
}

// w ← keep · w − rates[tensor] · u for every tensor, u by direction(Block<T>).
template <class Direction>
StepSums* run_step(const Step& step, const double* rates, Stream& stream, Direction&& direction) {
  return run_chunks(step, stream, [&](const Chunk& c) {
    return any_step_chunk(step, c, rates[c.tensor], direction);
  });
}

// Adds one to every counter: its values as numbers.
inline double* count_steps(const List<View>& steps, Stream& stream) {
  auto* counts = stream.scratch<double>(steps.count);
  for (int64_t t = 0; t < steps.count; ++t) counts[t] = ++*steps[t].as<int32_t>();
  return counts;
}

// lr for every tensor.
inline double* same_rates(const Step& step, Stream& stream) {
  auto* rates = stream.scratch<double>(step.weights.count);
  std::fill_n(rates, step.weights.count, step.lr);
  return rates;
}

inline void write_statistics(const Step& step, int64_t tensor, const StepSums& sums,
                             double own = 0) {
  if (!step.statistics) return;
  double* row = step.statistics.as<double>() + 3 * step.statistics_row(tensor);
  row[0] = step.grad_squares ? step.grad_squares.as<double>()[tensor] : sums.grad;
  row[1] = sums.update, row[2] = own;
}

inline void write_all_statistics(const Step& step, const StepSums* sums) {
  for (int64_t t = 0; t < step.weights.count; ++t) write_statistics(step, t, sums[t], sums[t].own);
}

// The whole of a step whose rate is one number a tensor.
template <class Direction>
void run_plain_step(const Step& step, const double* rates, Stream& stream, Direction&& direction) {
  write_all_statistics(step, run_step(step, rates, stream, direction));
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
