#include "ptx/types.h"

#include <cmath>
#include <utility>

#include "cudaemu/round.h"

namespace cudaemu::ptx {

Type type_named(std::string_view name) {
  static constexpr std::pair<std::string_view, Type> kNames[] = {
      {"u8", Type::kU8},         {"u16", Type::kU16},       {"u32", Type::kU32},
      {"u64", Type::kU64},       {"s8", Type::kS8},         {"s16", Type::kS16},
      {"s32", Type::kS32},       {"s64", Type::kS64},       {"b8", Type::kB8},
      {"b16", Type::kB16},       {"b32", Type::kB32},       {"b64", Type::kB64},
      {"f16", Type::kF16},       {"bf16", Type::kBf16},     {"f16x2", Type::kF16x2},
      {"f32", Type::kF32},       {"bf16x2", Type::kBf16x2}, {"f64", Type::kF64},
      {"pred", Type::kPredicate}};
  for (const auto& [known, type] : kNames)
    if (known == name) return type;
  return Type::kNone;
}

size_t bytes_of(Type t) {
  switch (t) {
    case Type::kNone:
      return 0;
    case Type::kU8:
    case Type::kS8:
    case Type::kB8:
    case Type::kPredicate:
      return 1;
    case Type::kU16:
    case Type::kS16:
    case Type::kB16:
    case Type::kF16:
    case Type::kBf16:
      return 2;
    case Type::kU64:
    case Type::kS64:
    case Type::kB64:
    case Type::kF64:
      return 8;
    default:
      return 4;
  }
}

double f16_value(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double magnitude;
  if (exponent == 31)
    magnitude = fraction ? NAN : INFINITY;
  else if (exponent == 0)
    magnitude = std::ldexp(fraction, -24);
  else
    magnitude = std::ldexp(fraction + 1024, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

uint16_t f16_bits(double value) { return to_16_bits<5>(value); }
uint16_t bf16_bits(double value) { return to_16_bits<8>(value); }

}  // namespace cudaemu::ptx
