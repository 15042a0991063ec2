// Steps of 16 neighbours of a matrix whose codes have the logits of their neighbours.
#pragma once
#include <cmath>
#include <cstring>

#include "cpu/kernels/quantized/shared/book_lanes.h"
#include "ops/quantized/refine_codes.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct CodeSteps {
  const CodeStep& step;
  const Book& book;  // for lookups by table_bits of its bits
  int64_t entries;
  int bits;

  static constexpr int table_bits(int bits) { return bits <= 4 ? 4 : 8; }

  // As CodeStep::run does them, to the bit, of elements at … at + 15. Those without a number keep
  // what they have.
  void run(const float* grad, int64_t at, const uint32_t (&old)[math::kCodeLanes],
           uint32_t (&next)[math::kCodeLanes]) const {
    BookWords codes;
    std::memcpy(&codes, old, sizeof codes);
    BookFloats own, before, behind;
    look_up_number(codes, own), look_up_number(codes - 1, before);
    look_up_number(codes + 1, behind);
    float numbers[3][math::kCodeLanes];
    std::memcpy(numbers[0], &before, sizeof before);
    std::memcpy(numbers[1], &own, sizeof own);
    std::memcpy(numbers[2], &behind, sizeof behind);
    for (int lane = 0; lane < math::kCodeLanes; lane += kLanes)
      run_lanes(grad + lane, at + lane, numbers, lane, old + lane, next + lane);
  }

 private:
  using Numbers = Vector<double>;
  using Flags = Vector<int64_t>;
  static constexpr int kLanes = kVectorSize<double>;
  using Floats __attribute__((vector_size(kVectorBytes / 2))) = float;
  using Words __attribute__((vector_size(kVectorBytes / 2))) = uint32_t;

  void look_up_number(const BookWords& places, BookFloats& out) const {
    if (bits <= 4)
      look_up<4>(book.numbers, places, out);
    else
      look_up<8>(book.numbers, places, out);
  }
  static void widen(const float* from, Numbers& out) {
    Floats few;
    std::memcpy(&few, from, sizeof few);
    out = __builtin_convertvector(few, Numbers);
  }
  static void narrow(const Numbers& x, float* to) {
    const Floats few = __builtin_convertvector(x, Floats);
    std::memcpy(to, &few, sizeof few);
  }
  static void root(Numbers& x) {
    double each[kLanes];
    std::memcpy(each, &x, sizeof x);
    for (int k = 0; k < kLanes; ++k) each[k] = std::sqrt(each[k]);
    std::memcpy(&x, each, sizeof x);
  }
  void pull(const Numbers& grad, const Numbers& distance, Numbers& out) const {
    if (step.is_proximal)
      out = distance == 0.0 ? Numbers{} : grad / distance;
    else
      out = grad * distance;
  }

  void run_lanes(const float* grads, int64_t at, const float (&numbers)[3][math::kCodeLanes],
                 int lane, const uint32_t* old, uint32_t* next) const {
    Words few;
    std::memcpy(&few, old, sizeof few);
    const Flags code = __builtin_convertvector(few, Flags);
    const Flags is_there[3] = {(code > 0) & (code < entries), code < entries, code < entries - 1};
    Numbers grad, number[3], pulls[3], square;
    widen(grads, grad);
    for (int k = 0; k < 3; ++k) widen(numbers[k] + lane, number[k]);
    for (int k = 0; k < 3; ++k) {
      pull(grad, number[k] - number[1], pulls[k]);
      pulls[k] = is_there[k] ? pulls[k] : Numbers{};
    }
    const Numbers sum = pulls[0] * pulls[0] + pulls[1] * pulls[1] + pulls[2] * pulls[2];
    widen(step.squares + at, square);
    const Numbers moved_square = step.beta2 * square + (1 - step.beta2) * (sum / 3.0);
    narrow(is_there[1] ? moved_square : square, step.squares + at);
    Numbers rate = moved_square / step.correction2;
    root(rate);
    rate = step.lr / step.correction1 / (rate + 1e-12);

    Numbers logits[3], momentum[3], found[3];
    for (int k = 0; k < 3; ++k) {
      widen(step.logits + k * step.stride + at, logits[k]);
      widen(step.momentum + k * step.stride + at, momentum[k]);
      const Numbers moved = step.beta1 * momentum[k] + (1 - step.beta1) * pulls[k];
      found[k] = logits[k] - rate * moved;
      momentum[k] = is_there[k] ? moved : momentum[k];
      logits[k] = is_there[k] ? found[k] : logits[k];
    }
    // The first of those that are there counts, NaN or not, and others where they are larger.
    const Flags is_own = ~is_there[0] | (found[1] > found[0]);
    const Numbers most = is_own ? found[1] : found[0];
    const Flags is_behind = is_there[2] & (found[2] > most),
                is_before = is_there[1] & ~is_own & ~is_behind;
    shift(is_before, is_behind, logits), shift(is_before, is_behind, momentum);
    for (int k = 0; k < 3; ++k) {
      narrow(logits[k], step.logits + k * step.stride + at);
      narrow(momentum[k], step.momentum + k * step.stride + at);
    }
    few = __builtin_convertvector(code + is_before - is_behind, Words);
    std::memcpy(next, &few, sizeof few);
  }

  // Flags are −1 or 0. As CodeStep::shift.
  static void shift(const Flags& is_before, const Flags& is_behind, Numbers (&x)[3]) {
    const Numbers first = x[0], own = x[1], last = x[2], none{};
    x[0] = is_before ? none : is_behind ? own : first;
    x[1] = is_before ? first : is_behind ? last : own;
    x[2] = is_before ? own : is_behind ? none : last;
  }
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
