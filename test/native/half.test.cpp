#include "core/half.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>

using namespace orthokit;

namespace {

// The value of a pattern from its fields, by arithmetic.
double value_of(uint32_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
  const int exponent = int(bits >> mantissa_bits & ((1u << exponent_bits) - 1));
  const double sign = bits >> (exponent_bits + mantissa_bits) & 1u ? -1 : 1,
               step = std::ldexp(1.0, -mantissa_bits);
  if (exponent == (1 << exponent_bits) - 1)
    return mantissa ? std::numeric_limits<double>::quiet_NaN()
                    : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(mantissa * step, 1 - bias);
  return sign * std::ldexp(1 + mantissa * step, exponent - bias);
}

bool same(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

struct F16 {
  static constexpr int exponent = 5, mantissa = 10;
  static double load(uint16_t bits) { return to_float(Half{bits}); }
  static uint16_t store(float x) { return to_half(x).bits; }
};
struct Bf16 {
  static constexpr int exponent = 8, mantissa = 7;
  static double load(uint16_t bits) { return to_float(Bfloat16{bits}); }
  static uint16_t store(float x) { return to_bfloat16(x).bits; }
};

}  // namespace

TEST_CASE_TEMPLATE("every pattern has its value, and comes back", T, F16, Bf16) {
  int wrong = 0;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const double value = value_of(bits, T::exponent, T::mantissa);
    wrong += !same(T::load(uint16_t(bits)), value);
    if (std::isnan(value))
      wrong += !std::isnan(T::load(T::store(float(T::load(uint16_t(bits))))));
    else
      wrong += T::store(float(value)) != bits;
  }
  CHECK(wrong == 0);
}

// Between each pair of neighbours: below the middle down, above it up, in the middle to the even
// one.
TEST_CASE_TEMPLATE("rounding is to nearest, ties to even", T, F16, Bf16) {
  const uint32_t infinity = ((1u << T::exponent) - 1) << T::mantissa;
  int wrong = 0;
  for (uint32_t sign : {0u, 0x8000u})
    for (uint32_t low = 0; low < infinity; ++low) {
      const double a = value_of(low, T::exponent, T::mantissa);
      // Infinity begins to be nearer at what would come after the largest number.
      const double b = low + 1 < infinity ? value_of(low + 1, T::exponent, T::mantissa)
                                          : a + (a - value_of(low - 1, T::exponent, T::mantissa));
      const float middle = float((a + b) / 2);
      if (double(middle) != (a + b) / 2)
        continue;  // halves of the least bf16 subnormals need more than f32 has
      const uint32_t even = low % 2 == 0 ? low : low + 1;
      const float signed_middle = sign ? -middle : middle, outward = sign ? -INFINITY : INFINITY;
      wrong += T::store(signed_middle) != (sign | even);
      wrong += T::store(std::nextafterf(signed_middle, outward)) != (sign | (low + 1));
      wrong += T::store(std::nextafterf(signed_middle, 0.0f)) != (sign | low);
    }
  CHECK(wrong == 0);
}

TEST_CASE("infinities, NaN and numbers beyond the range") {
  CHECK(F16::store(INFINITY) == 0x7c00);
  CHECK(F16::store(-INFINITY) == 0xfc00);
  CHECK(F16::store(65520.0f) == 0x7c00);
  CHECK(F16::store(65519.0f) == 0x7bff);
  CHECK(F16::store(-1e30f) == 0xfc00);
  CHECK(F16::store(1e-30f) == 0);
  CHECK(F16::store(-1e-30f) == 0x8000);
  CHECK(Bf16::store(std::numeric_limits<float>::max()) == 0x7f80);
  CHECK(Bf16::store(-INFINITY) == 0xff80);
  for (uint32_t bits : {0x7f800001u, 0x7fc00000u, 0xffffffffu, 0xff800001u}) {
    float nan;
    std::memcpy(&nan, &bits, 4);
    CHECK(std::isnan(F16::load(F16::store(nan))));
    CHECK(std::isnan(Bf16::load(Bf16::store(nan))));
  }
}

TEST_CASE("rounding to odd on the way lets a double be rounded once") {
  const double tie = 1 + 0x1p-11, above = tie + 0x1p-40,
               below = tie - 0x1p-40;  // between two halves
  CHECK(F16::store(to_float_odd(tie)) == 0x3c00);
  CHECK(F16::store(to_float_odd(above)) == 0x3c01);
  CHECK(F16::store(to_float_odd(below)) == 0x3c00);
  CHECK(F16::store(float(above)) == 0x3c00);  // rounded twice: what the detour avoids
  CHECK(Bf16::store(to_float_odd(-(1 + 0x1p-8 + 0x1p-40))) == 0xbf81);
  CHECK(to_float_odd(0.5) == 0.5f);
  CHECK(std::isnan(to_float_odd(std::nan(""))));
  CHECK(to_float_odd(1e300) >= std::numeric_limits<float>::max());
  CHECK(std::isinf(to_float_odd(INFINITY)));
}
