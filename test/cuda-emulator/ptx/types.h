// PTX's types and state spaces, and values of them in registers: 64 bits each, whatever the type.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace cudaemu::ptx {

enum class Type : uint8_t {
  kNone,
  kU8,
  kU16,
  kU32,
  kU64,
  kS8,
  kS16,
  kS32,
  kS64,
  kB8,
  kB16,
  kB32,
  kB64,
  kF16,
  kBf16,
  kF16x2,
  kBf16x2,
  kF32,
  kF64,
  kPredicate
};
Type type_named(std::string_view name);  // kNone: it names no type
size_t bytes_of(Type);
inline bool is_signed(Type t) { return t >= Type::kS8 && t <= Type::kS64; }
inline bool is_float(Type t) { return t >= Type::kF16 && t <= Type::kF64; }

// kArgument: what a call hands over, which lies in registers on a device.
enum class Space : uint8_t { kGeneric, kGlobal, kShared, kLocal, kParameter, kArgument, kConstant };

// Places of shared and local memory among generic addresses.
constexpr uint64_t kWindow = uint64_t(0xff) << 56, kSharedWindow = uint64_t(0x5a) << 56,
                   kLocalWindow = uint64_t(0x5b) << 56;
inline Space space_of(uint64_t generic_address) {
  switch (generic_address & kWindow) {
    case kSharedWindow:
      return Space::kShared;
    case kLocalWindow:
      return Space::kLocal;
    default:
      return Space::kGlobal;
  }
}

template <class T>
inline T value_of(uint64_t bits) {
  if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<float>(uint32_t(bits));
  else if constexpr (std::is_same_v<T, double>)
    return std::bit_cast<double>(bits);
  else
    return T(bits);
}
template <class T>
inline uint64_t bits_of(T value) {
  if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<uint32_t>(value);
  else if constexpr (std::is_same_v<T, double>)
    return std::bit_cast<uint64_t>(value);
  else if constexpr (std::is_same_v<T, bool>)
    return value;
  else
    return uint64_t(std::make_unsigned_t<T>(value));
}

// 16-bit floating-point numbers.
double f16_value(uint16_t bits);
inline double bf16_value(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }
uint16_t f16_bits(double value);
uint16_t bf16_bits(double value);

}  // namespace cudaemu::ptx
