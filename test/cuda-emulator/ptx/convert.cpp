// cvt: numbers from one type to another.
#include <cmath>
#include <limits>
#include <utility>

#include "ptx/build.h"
#include "ptx/float.h"
#include "ptx/machine.h"

namespace cudaemu::ptx {
namespace {

enum Whole { kKeep, kToNearest, kToZero, kToFloor, kToCeiling };
constexpr std::string_view kWholes[] = {"rni", "rzi", "rmi", "rpi"};

double whole(double v, int how) {
  switch (how) {
    case kToNearest:
      return std::nearbyint(v);
    case kToZero:
      return std::trunc(v);
    case kToFloor:
      return std::floor(v);
    case kToCeiling:
      return std::ceil(v);
    default:
      return v;
  }
}

// A conversion stays at the ends of the range; NaN becomes 0.
template <class T>
uint64_t integer_bits(double v) {
  using Limits = std::numeric_limits<T>;
  if (v != v) return 0;
  if (v <= double(Limits::min())) return bits_of(Limits::min());
  if (v >= double(Limits::max())) return bits_of(Limits::max());
  return bits_of(T(v));
}

double float_value(Type type, uint64_t bits, bool flush) {
  switch (type) {
    case Type::kF32:
      return flushed(value_of<float>(bits), flush);
    case Type::kF64:
      return value_of<double>(bits);
    case Type::kF16:
      return f16_value(uint16_t(bits));
    default:
      return bf16_value(uint16_t(bits));
  }
}

float narrowed(double v, Rounding rounding) {
  if (rounding == Rounding::kNearest) return float(v);
  const RoundingMode mode(rounding);
  volatile double from = v;
  volatile float to = float(from);
  return to;
}

uint64_t float_bits(const Instruction& i, Type type, double v) {
  if (i.saturate) v = saturated(v);
  switch (type) {
    case Type::kF32:
      return bits_of(flushed(narrowed(v, i.rounding), i.flush));
    case Type::kF64:
      return bits_of(v);
    case Type::kF16:
      return f16_bits(v);
    default:
      return bf16_bits(v);
  }
}

void float_to_float(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    d[l] = float_bits(i, i.type, whole(float_value(i.from, a[l], i.flush), i.mode));
  });
}
void widen(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = bits_of(double(value_of<float>(a[l]))); });
}
void narrow(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = bits_of(float(value_of<double>(a[l]))); });
}

template <class T>
void float_to_integer(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes,
       [&](int l) { d[l] = integer_bits<T>(whole(float_value(i.from, a[l], i.flush), i.mode)); });
}

template <class T>
void integer_to_float(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  const RoundingMode mode(i.rounding);
  each(lanes, [&](int l) {
    const volatile T value = T(a[l]);
    if (i.type == Type::kF32)  // at once: over a double it would be rounded twice
      d[l] = bits_of(float(value));
    else
      d[l] = float_bits(i, i.type, double(value));
  });
}

template <class From, class To>
void integer_to_integer(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  using Limits = std::numeric_limits<To>;
  each(lanes, [&](int l) {
    From value = From(a[l]);
    if (i.saturate) {
      if (std::cmp_less(value, Limits::min()))
        d[l] = bits_of(Limits::min());
      else if (std::cmp_greater(value, Limits::max()))
        d[l] = bits_of(Limits::max());
      else
        d[l] = bits_of(To(value));
      return;
    }
    d[l] = bits_of(To(value));
  });
}

// Two floats in one register: a is the upper one.
void pack(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    const auto half = [&](uint64_t bits) {
      double v = value_of<float>(bits);
      if (i.mode) v = v > 0 || v != v ? v : 0;
      return uint64_t(i.type == Type::kF16x2 ? f16_bits(v) : bf16_bits(v));
    };
    d[l] = half(a[l]) << 16 | half(b[l]);
  });
}

void build_convert(Words& words, Instruction& i) {
  i.rounding = take_rounding(words);
  const int how = words.take_one_of(kWholes) + 1;
  const bool positive = words.take("relu");
  i.mode = how;
  i.flush = words.take("ftz");
  i.saturate = words.take("sat");
  i.type = words.take_type();
  i.from = words.take_type();
  if (i.type == Type::kF16x2 || i.type == Type::kBf16x2) {
    if (i.rounding != Rounding::kNearest || i.from != Type::kF32) unsupported("this conversion");
    i.mode = positive;
    i.run = pack;
    return;
  }
  if (positive) unsupported("relu");
  const bool to_half = i.type == Type::kF16 || i.type == Type::kBf16;
  if (to_half && i.rounding != Rounding::kNearest) unsupported("this rounding");
  if (is_float(i.type) && is_float(i.from)) {
    const bool plain = !i.flush && !i.saturate && how == kKeep && i.rounding == Rounding::kNearest;
    if (plain && i.type == Type::kF64 && i.from == Type::kF32)
      i.run = widen;
    else if (plain && i.type == Type::kF32 && i.from == Type::kF64)
      i.run = narrow;
    else
      i.run = float_to_float;
  } else if (is_float(i.from)) {
    i.run = with_integer(i.type, [](auto t) -> Run { return float_to_integer<decltype(t)>; });
  } else if (is_float(i.type)) {
    i.run = with_integer(i.from, [](auto t) -> Run { return integer_to_float<decltype(t)>; });
  } else {
    i.run = with_integer(i.from, [&](auto from) -> Run {
      return with_integer(
          i.type, [](auto to) -> Run { return integer_to_integer<decltype(from), decltype(to)>; });
    });
  }
}

constexpr Builder kBuilders[] = {{"cvt", build_convert}};

}  // namespace

std::span<const Builder> convert_builders() { return kBuilders; }

}  // namespace cudaemu::ptx
