// Momentum, its look-ahead, their sums and the step in one loop over f32 arrays: what these do to
// an element is less than the memory takes to bring it, if no loop of its own waits for them.
#pragma once
#include "cpu/kernels/optimizers/shared/step.h"
#include "math/powers.h"
#include "ops/optimizers/shared/momentum_form.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

enum class Pass { kMomentum, kStep, kBoth };  // m ← …; w ← … from the m that stands; one, then two
enum class Powers { kNone, kSquares, kSquaresAndFourth };  // Σg² and Σu²; Σu⁴ too

// m ← kept m + fresh g,  u = β m + ahead g or m,  w ← keep w − rate u.
struct MomentumArrays {
  const float* g;
  float *m, *w;
};
struct MomentumFactors {
  float kept, fresh, beta, ahead, keep, rate;
  bool nesterov;
};
inline MomentumFactors factors_of(const MomentumRule& rule, const Step& step, double rate) {
  const float beta = float(rule.momentum);
  return {beta,
          float(rule.fresh()),
          beta,
          float(rule.look_ahead()),
          float(step.keep()),
          finite_factor<float>(rate),
          rule.nesterov};
}

struct PowerSums {
  double grad = 0, second = 0, fourth = 0;
};

// The arrays of a chunk, if all are f32 and the step reads nothing else; else g is null.
inline MomentumArrays momentum_arrays(const Step& step, const List<View>& momenta, const Chunk& c) {
  const auto f32_at = [&c](const List<View>& list) {
    const View& v = list[c.tensor];
    return v.dtype == Dtype::kF32 ? v.as<float>() + c.begin : nullptr;
  };
  if (step.l2() != 0 || step.cautious() != 0 || step.masters.count > 0 || momenta.count == 0)
    return {};
  const MomentumArrays a{f32_at(step.grads), f32_at(momenta), f32_at(step.weights)};
  return a.g != nullptr && a.m != nullptr && a.w != nullptr ? a : MomentumArrays{};
}

// Lanes in f32 for a block, then in f64.
class LaneSums {
 public:
  void add(const FloatSums& block) {
    const Floats all = (block.sums[0] + block.sums[1]) + (block.sums[2] + block.sums[3]);
    for (int k = 0; k < kFloats; ++k) lanes_[k] += double(all[k]);
  }
  double total() { return total_of<kFloats>(lanes_); }

 private:
  double lanes_[kFloats] = {};
};

// One register of each array.
template <Pass pass, bool nesterov, Powers powers>
[[gnu::always_inline]] inline void momentum_floats(const MomentumFactors& f, const float* g_at,
                                                   float* m_at, float* w_at, float scale,
                                                   Floats& grad, Floats& second, Floats& fourth) {
  const Floats g = *floats_at(g_at);
  Floats m = *floats_at(m_at);
  if constexpr (pass != Pass::kStep) {
    m = f.kept * m + f.fresh * g;
    *reinterpret_cast<UnalignedFloats*>(m_at) = m;
  }
  Floats u = m;
  if constexpr (nesterov) u = f.beta * m + f.ahead * g;
  if constexpr (pass != Pass::kMomentum)
    *reinterpret_cast<UnalignedFloats*>(w_at) = f.keep * *floats_at(w_at) - f.rate * u;
  if constexpr (powers != Powers::kNone) {
    const Floats scaled = powers == Powers::kSquares ? u : u * scale, square = scaled * scaled;
    grad += g * g, second += square;
    if constexpr (powers == Powers::kSquaresAndFourth) fourth += square * square;
  }
}

// The sums are those of u · scale.
template <Pass pass, bool nesterov, Powers powers>
PowerSums momentum_loop(const MomentumFactors& f, const MomentumArrays& a, int64_t n, float scale) {
  constexpr int64_t kLanesBlock = 2048;  // elements: so few additions in f32
  LaneSums grads, seconds, fourths;
  int64_t i = 0;
  for (; i + kFloatSums <= n;) {
    FloatSums grad, second, fourth;
    for (const int64_t end = std::min(n, i + kLanesBlock); i + kFloatSums <= end; i += kFloatSums)
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k) {
        const int64_t at = i + k * kFloats;
        momentum_floats<pass, nesterov, powers>(f, a.g + at, a.m + at, a.w + at, scale,
                                                grad.sums[k], second.sums[k], fourth.sums[k]);
      }
    if constexpr (powers != Powers::kNone) grads.add(grad), seconds.add(second);
    if constexpr (powers == Powers::kSquaresAndFourth) fourths.add(fourth);
  }
  if (i < n) {
    FloatSums grad, second, fourth;
    for (; i < n; i += kFloats) {
      const int64_t rest = std::min<int64_t>(kFloats, n - i);
      float g[kFloats] = {}, m[kFloats] = {}, w[kFloats] = {};
      std::copy_n(a.g + i, rest, g), std::copy_n(a.m + i, rest, m), std::copy_n(a.w + i, rest, w);
      momentum_floats<pass, nesterov, powers>(f, g, m, w, scale, grad.sums[0], second.sums[0],
                                              fourth.sums[0]);
      if constexpr (pass != Pass::kStep) std::copy_n(m, rest, a.m + i);
      if constexpr (pass != Pass::kMomentum) std::copy_n(w, rest, a.w + i);
    }
    if constexpr (powers != Powers::kNone) grads.add(grad), seconds.add(second);
    if constexpr (powers == Powers::kSquaresAndFourth) fourths.add(fourth);
  }
  return {grads.total(), seconds.total(), fourths.total()};
}

// body(u, n) for each block of the look-ahead of momenta that are up to date.
template <class Body>
void for_look_ahead(const MomentumFactors& f, const MomentumArrays& a, int64_t n, Body&& body) {
  float u[kBlock];
  for (int64_t done = 0; done < n; done += kBlock) {
    const int64_t size = std::min(kBlock, n - done);
    const float *g = a.g + done, *m = a.m + done;
    for (int64_t i = 0; i < size; ++i) u[i] = f.nesterov ? f.beta * m[i] + f.ahead * g[i] : m[i];
    body(u, size);
  }
}

// A factor that makes the first u that are not 0 about 1; 0 if all are 0.
template <Pass pass>
float scale_of(const MomentumFactors& f, const MomentumArrays& a, int64_t n) {
  for (int64_t i = 0; i < n; i += kFloats) {
    float largest = 0;
    for (int64_t k = i; k < std::min<int64_t>(n, i + kFloats); ++k) {
      const float m = pass == Pass::kStep ? a.m[k] : f.kept * a.m[k] + f.fresh * a.g[k];
      largest = std::max(largest, std::abs(f.nesterov ? f.beta * m + f.ahead * a.g[k] : m));
    }
    if (largest > 0) return math::inverse_of_power(math::power_below(largest));
  }
  return 0;
}

// The pass over a chunk, with sums that are right to a few units of f32: in f64 where lanes in f32
// may have left its range or lost digits at its lower end.
template <Pass pass, Powers powers>
PowerSums momentum_pass(const MomentumFactors& f, const MomentumArrays& a, int64_t n) {
  float scale = 1;
  if constexpr (powers == Powers::kSquaresAndFourth) scale = scale_of<pass>(f, a, n);
  PowerSums sums = f.nesterov ? momentum_loop<pass, true, powers>(f, a, n, scale)
                              : momentum_loop<pass, false, powers>(f, a, n, scale);
  if constexpr (powers == Powers::kNone) return sums;
  if (!(sums.grad >= 1e-30 && sums.grad <= 1e37)) sums.grad = sum_of_squares(a.g, n);
  if constexpr (powers == Powers::kSquares) {
    if (sums.second >= 1e-30 && sums.second <= 1e37) return sums;
  } else if (sums.second >= 1e-8 && sums.second <= 1e12) {
    const double square = 1 / (double(scale) * double(scale));
    sums.second *= square, sums.fourth *= square * square;
    return sums;
  }
  sums.second = sums.fourth = 0;
  for_look_ahead(f, a, n, [&sums](const float* u, int64_t size) {
    sums.second += sum_of_squares(u, size);
    if constexpr (powers == Powers::kSquaresAndFourth) sums.fourth += sum_of_fourths(u, size);
  });
  return sums;
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
