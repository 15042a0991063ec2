// Sums, products, quotients, the larger and the smaller.
#include <cfenv>
#include <cmath>

#include "ptx/build.h"
#include "ptx/float.h"
#include "ptx/machine.h"

namespace cudaemu::ptx {
namespace {

template <class T>
constexpr bool kFloating = std::is_floating_point_v<T>;
template <class T>
using Unsigned = std::make_unsigned_t<T>;
template <class T>
using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
__extension__ typedef __int128 Signed128;
__extension__ typedef unsigned __int128 Unsigned128;
template <class T>
using Widest = std::conditional_t<std::is_signed_v<T>, Signed128, Unsigned128>;

struct Add {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (kFloating<T>)
      return a + b;
    else
      return T(uint64_t(a) + uint64_t(b));
  }
};
struct Subtract {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (kFloating<T>)
      return a - b;
    else
      return T(uint64_t(a) - uint64_t(b));
  }
};
struct Multiply {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (kFloating<T>)
      return a * b;
    else
      return T(uint64_t(a) * uint64_t(b));
  }
};
struct MultiplyHigh {
  template <class T>
  T operator()(T a, T b) const {
    return T((Widest<T>(a) * Widest<T>(b)) >> (8 * sizeof(T)));
  }
};
struct Divide {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (kFloating<T>)
      return a / b;
    else if (b == 0)
      return T(-1);
    else
      return b == T(-1) && std::is_signed_v<T> ? T(0 - uint64_t(a)) : T(a / b);
  }
};
struct Remainder {
  template <class T>
  T operator()(T a, T b) const {
    if (b == 0) return a;
    return b == T(-1) && std::is_signed_v<T> ? T(0) : T(a % b);
  }
};
// A NaN loses, and -0 is less than 0.
struct Lesser {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (kFloating<T>) {
      if (a != a) return b;
      if (b != b) return a;
      return a < b || (a == b && std::signbit(a)) ? a : b;
    } else {
      return a < b ? a : b;
    }
  }
};
struct Greater {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (kFloating<T>) {
      if (a != a) return b;
      if (b != b) return a;
      return a > b || (a == b && !std::signbit(a)) ? a : b;
    } else {
      return a > b ? a : b;
    }
  }
};
struct MultiplyAdd {
  template <class T>
  T operator()(T a, T b, T c) const {
    if constexpr (kFloating<T>)
      return std::fma(a, b, c);
    else
      return T(uint64_t(a) * uint64_t(b) + uint64_t(c));
  }
};
struct MultiplyHighAdd {
  template <class T>
  T operator()(T a, T b, T c) const {
    return T(uint64_t(MultiplyHigh()(a, b)) + uint64_t(c));
  }
};
struct Negate {
  template <class T>
  T operator()(T a) const {
    if constexpr (kFloating<T>)
      return -a;
    else
      return T(0 - uint64_t(a));
  }
};
struct Magnitude {
  template <class T>
  T operator()(T a) const {
    if constexpr (kFloating<T>)
      return std::fabs(a);
    else
      return a < 0 ? T(0 - uint64_t(a)) : a;
  }
};

template <class T, class F>
void unary(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = bits_of<T>(F()(value_of<T>(a[l]))); });
}
template <class T, class F>
void binary(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = bits_of<T>(F()(value_of<T>(a[l]), value_of<T>(b[l]))); });
}
template <class T, class F>
void ternary(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg), *c = w.at(i.c.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    d[l] = bits_of<T>(F()(value_of<T>(a[l]), value_of<T>(b[l]), value_of<T>(c[l])));
  });
}

// With what few instructions ask for: another rounding, flushing, saturation.
template <class T, class F>
void binary_adjusted(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    const T x = flushed(value_of<T>(a[l]), i.flush), y = flushed(value_of<T>(b[l]), i.flush);
    d[l] = bits_of<T>(adjusted(i, rounded<T, F>(i.rounding, x, y)));
  });
}
template <class T, class F>
void ternary_adjusted(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg), *c = w.at(i.c.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    const T x = flushed(value_of<T>(a[l]), i.flush), y = flushed(value_of<T>(b[l]), i.flush),
            z = flushed(value_of<T>(c[l]), i.flush);
    d[l] = bits_of<T>(adjusted(i, rounded<T, F>(i.rounding, x, y, z)));
  });
}

bool is_plain(const Instruction& i) {
  return i.rounding == Rounding::kNearest && !i.flush && !i.saturate;
}

// 16-bit floating-point numbers, one or two in a register: computed in double, rounded once.
template <bool kBrain>
double half_value(uint16_t bits) {
  return kBrain ? bf16_value(bits) : f16_value(bits);
}
template <bool kBrain>
uint16_t half_bits(double value) {
  return kBrain ? bf16_bits(value) : f16_bits(value);
}
template <bool kBrain, int kPacked, class F>
void halves(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg < 0 ? i.a.reg : i.b.reg),
                 *c = w.at(i.c.reg < 0 ? i.a.reg : i.c.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    uint64_t all = 0;
    for (int shift = 0; shift < 16 * kPacked; shift += 16) {
      const auto of = [&](const uint64_t* r) {
        return half_value<kBrain>(uint16_t(r[l] >> shift));
      };
      double v;
      if constexpr (std::is_invocable_v<F, double, double, double>)
        v = F()(of(a), of(b), of(c));
      else if constexpr (std::is_invocable_v<F, double, double>)
        v = F()(of(a), of(b));
      else
        v = F()(of(a));
      if (i.saturate) v = saturated(v);
      all |= uint64_t(half_bits<kBrain>(v)) << shift;
    }
    d[l] = all;
  });
}
template <class F>
Run halves_of(Type type) {
  switch (type) {
    case Type::kF16:
      return halves<false, 1, F>;
    case Type::kF16x2:
      return halves<false, 2, F>;
    case Type::kBf16:
      return halves<true, 1, F>;
    case Type::kBf16x2:
      return halves<true, 2, F>;
    default:
      unsupported("this type");
  }
}

void take_float(Words& words, Instruction& i, unsigned flops) {
  i.rounding = take_rounding(words);
  i.flush = words.take("ftz");
  i.saturate = words.take("sat");
  i.type = words.take_type();
  const bool packed = i.type == Type::kF16x2 || i.type == Type::kBf16x2;
  if (i.type == Type::kF64)
    i.cost.f64 = uint16_t(flops);
  else if (is_float(i.type))
    i.cost.f32 = uint16_t(packed ? 2 * flops : flops);
}

template <class F>
void build_binary(Words& words, Instruction& i) {
  take_float(words, i, 1);
  if (i.type == Type::kF32)
    i.run = is_plain(i) ? binary<float, F> : binary_adjusted<float, F>;
  else if (i.type == Type::kF64)
    i.run = is_plain(i) ? binary<double, F> : binary_adjusted<double, F>;
  else if (is_float(i.type))
    i.run = halves_of<F>(i.type);
  else
    i.run = with_integer(i.type, [](auto t) -> Run { return binary<decltype(t), F>; });
}

// Signed sums that stay at the ends of their range.
template <class F>
void saturating(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    const int64_t sum = F()(int64_t(int32_t(a[l])), int64_t(int32_t(b[l])));
    d[l] = uint32_t(std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX));
  });
}

// With the carry that an earlier instruction left (kIn), and leaving one (kOut).
template <class T, bool kSubtract, bool kIn, bool kOut>
void carrying(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    const Unsigned128 x = T(a[l]), y = T(b[l]), in = kIn && w.carry[l];
    const Unsigned128 sum = kSubtract ? x - y - in : x + y + in;
    if (kOut) w.carry[l] = uint8_t(sum >> (8 * sizeof(T)) & 1);
    d[l] = T(sum);
  });
}
template <bool kSubtract, bool kIn, bool kOut>
Run carrying_of(Type type) {
  switch (bytes_of(type)) {
    case 4:
      return carrying<uint32_t, kSubtract, kIn, kOut>;
    case 8:
      return carrying<uint64_t, kSubtract, kIn, kOut>;
    default:
      unsupported("this type");
  }
}

template <bool kSubtract, class F>
void build_sum(Words& words, Instruction& i) {
  if (words.take("cc")) {
    i.run = carrying_of<kSubtract, false, true>(i.type = words.take_type());
    return;
  }
  build_binary<F>(words, i);
  if (i.saturate && i.type == Type::kS32) i.run = saturating<F>;
}
template <bool kSubtract>
void build_carried(Words& words, Instruction& i) {
  const bool leaves = words.take("cc");
  i.type = words.take_type();
  i.run = leaves ? carrying_of<kSubtract, true, true>(i.type)
                 : carrying_of<kSubtract, true, false>(i.type);
}

template <class T, bool kAdd>
void wide_product(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg), *c = kAdd ? w.at(i.c.reg) : a;
  uint64_t* d = w.result(i.d);
  constexpr uint64_t kept =
      sizeof(T) >= 4 ? ~uint64_t(0) : (uint64_t(1) << (16 * sizeof(T) % 64)) - 1;
  each(lanes, [&](int l) {
    const auto product =
        uint64_t(Wide<T>(value_of<T>(a[l]))) * uint64_t(Wide<T>(value_of<T>(b[l])));
    d[l] = (kAdd ? product + c[l] : product) & kept;
  });
}

void build_product(Words& words, Instruction& i) {
  const bool wide = words.take("wide"), high = words.take("hi");
  words.take("lo");
  if (!wide && !high) return build_binary<Multiply>(words, i);
  i.type = words.take_type();
  i.run = with_integer(i.type, [&](auto t) -> Run {
    using T = decltype(t);
    return wide ? wide_product<T, false> : binary<T, MultiplyHigh>;
  });
}

template <bool kHigh, bool kIn, bool kOut>
void carrying_product(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg), *c = w.at(i.c.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    const uint64_t product = uint64_t(uint32_t(a[l])) * uint32_t(b[l]);
    const uint64_t sum =
        uint64_t(uint32_t(kHigh ? product >> 32 : product)) + uint32_t(c[l]) + (kIn && w.carry[l]);
    if (kOut) w.carry[l] = uint8_t(sum >> 32);
    d[l] = uint32_t(sum);
  });
}
template <bool kIn>
void build_carrying_product(Words& words, Instruction& i) {
  const bool high = words.take("hi"), leaves = words.take("cc");
  words.take("lo");
  if ((i.type = words.take_type()) != Type::kU32) unsupported("this type");
  if (leaves)
    i.run = high ? carrying_product<true, kIn, true> : carrying_product<false, kIn, true>;
  else
    i.run = high ? carrying_product<true, kIn, false> : carrying_product<false, kIn, false>;
}

void build_fma(Words& words, Instruction& i) {
  take_float(words, i, 2);
  if (i.type == Type::kF32)
    i.run = is_plain(i) ? ternary<float, MultiplyAdd> : ternary_adjusted<float, MultiplyAdd>;
  else if (i.type == Type::kF64)
    i.run = is_plain(i) ? ternary<double, MultiplyAdd> : ternary_adjusted<double, MultiplyAdd>;
  else
    i.run = halves_of<MultiplyAdd>(i.type);
}

void build_mad(Words& words, Instruction& i) {
  for (const auto word : words.left())
    if (word == "cc") return build_carrying_product<false>(words, i);
  const bool wide = words.take("wide"), high = words.take("hi");
  if (!wide && !high && !words.take("lo")) return build_fma(words, i);
  i.type = words.take_type();
  i.run = with_integer(i.type, [&](auto t) -> Run {
    using T = decltype(t);
    if (wide) return wide_product<T, true>;
    return high ? ternary<T, MultiplyHighAdd> : ternary<T, MultiplyAdd>;
  });
}

// Of floats too only the sign changes, that of a NaN as well.
template <class F>
void build_sign(Words& words, Instruction& i) {
  i.flush = words.take("ftz");
  i.type = words.take_type();
  if (i.flush) unsupported("flushing");
  if (i.type == Type::kF32)
    i.run = unary<float, F>;
  else if (i.type == Type::kF64)
    i.run = unary<double, F>;
  else if (is_float(i.type))
    i.run = halves_of<F>(i.type);
  else
    i.run = with_integer(i.type, [](auto t) -> Run { return unary<decltype(t), F>; });
}

void build_quotient(Words& words, Instruction& i) {
  words.drop({"full", "approx"});
  build_binary<Divide>(words, i);
  i.cost.special = is_float(i.type);
}
void build_remainder(Words& words, Instruction& i) {
  i.type = words.take_type();
  i.run = with_integer(i.type, [](auto t) -> Run { return binary<decltype(t), Remainder>; });
}

constexpr Builder kBuilders[] = {
    {"add", build_sum<false, Add>},
    {"sub", build_sum<true, Subtract>},
    {"addc", build_carried<false>},
    {"subc", build_carried<true>},
    {"mul", build_product},
    {"mad", build_mad},
    {"madc", build_carrying_product<true>},
    {"fma", build_fma},
    {"div", build_quotient},
    {"rem", build_remainder},
    {"min", build_binary<Lesser>},
    {"max", build_binary<Greater>},
    {"neg", build_sign<Negate>},
    {"abs", build_sign<Magnitude>},
};

}  // namespace

std::span<const Builder> arithmetic_builders() { return kBuilders; }

}  // namespace cudaemu::ptx
