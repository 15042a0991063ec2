// Lanes of a whole block of packed codes in registers (math/packed_codes.h).
#pragma once
#include <cstring>

#include "cpu/ask_for.h"
#include "cpu/vectors.h"
#include "math/packed_codes.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// A block is so many parts of a register of lanes, each of which meets kCodeLanes / kLaneParts
// numbers of the input.
inline constexpr int kLaneParts = math::kCodeLanes / kVectorSize<float>;
using LaneWords = Vector<uint32_t>;
// The low 32 bits of lanes, and what they have above.
template <int bits>
inline constexpr int kLaneWords = bits > 4 ? 2 : 1;

template <class Narrow>
struct NarrowOf {
  using type
      __attribute__((vector_size(kVectorSize<float> * sizeof(Narrow)), aligned(1), may_alias)) =
          Narrow;
};
template <class Narrow>
inline void load_words(const uint8_t* from, LaneWords& out) {
  // Compilers widen bytes to words one by one where they are not told how.
#if defined(__AVX512F__)
  if constexpr (sizeof(Narrow) == 1) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i_u*>(from));
    return void(out = LaneWords(_mm512_cvtepu8_epi32(bytes)));
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(Narrow) == 1) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i_u*>(from));
    return void(out = LaneWords(_mm256_cvtepu8_epi32(bytes)));
  }
#endif
  const typename NarrowOf<Narrow>::type narrow =
      *reinterpret_cast<const typename NarrowOf<Narrow>::type*>(from);
  out = __builtin_convertvector(narrow, LaneWords);
}

// The lanes of a part, each of b bytes.
template <int bits>
inline __attribute__((always_inline)) void load_lanes(const uint8_t* block, int part,
                                                      LaneWords (&words)[kLaneWords<bits>]) {
  constexpr int kLanes = kVectorSize<float>;
  LaneWords more;
  if constexpr (bits >= 4) load_words<uint32_t>(block + 4 * kLanes * part, words[0]);
  constexpr int kRest = bits % 4, kFirst = 4 * (bits / 4);
  const uint8_t* rest = block + math::kCodeLanes * kFirst;
  LaneWords& last = words[kLaneWords<bits> - 1];
  if constexpr (bits == 8)
    load_words<uint32_t>(rest - 4 * math::kCodeLanes + 4 * kLanes * part, last);
  if constexpr (kRest >= 2) load_words<uint16_t>(rest + 2 * kLanes * part, last);
  if constexpr (kRest % 2 == 1) {
    load_words<uint8_t>(rest + math::kCodeLanes * (kRest - 1) + kLanes * part, more);
    last = kRest == 1 ? more : last | more << 16;
  }
}

// Code h of the lanes at the top of their words, with other codes below it.
template <int bits>
inline __attribute__((always_inline)) void top_code(const LaneWords (&words)[kLaneWords<bits>],
                                                    int h, LaneWords& out) {
  const int end = bits * (h + 1);
  if (end <= 32)
    out = words[0] << (32 - end);
  else if (end - bits >= 32)
    out = words[kLaneWords<bits> - 1] << (64 - end);
  else
    out = words[0] >> (end - 32) | words[kLaneWords<bits> - 1] << (64 - end);
}

// Code h of the lanes as numbers of two's complement.
template <int bits>
inline __attribute__((always_inline)) void code_numbers(const LaneWords (&words)[kLaneWords<bits>],
                                                        int h, Vector<float>& out) {
#ifdef __AVX512F__
  if constexpr (bits <= 4) {  // a table of 16, over which codes of fewer bits repeat
    constexpr auto number = [](int i) {
      return float(math::signed_code(uint32_t(i) & ((1u << bits) - 1), bits));
    };
    const __m512 table =
        _mm512_setr_ps(number(0), number(1), number(2), number(3), number(4), number(5), number(6),
                       number(7), number(8), number(9), number(10), number(11), number(12),
                       number(13), number(14), number(15));
    out = Vector<float>(_mm512_permutexvar_ps(__m512i(words[0] >> (bits * h)), table));
    return;
  }
#endif
  LaneWords top;
  top_code<bits>(words, h, top);
  out = __builtin_convertvector(Vector<int32_t>(top) >> (32 - bits), Vector<float>);
}

// Asks for a block of codes before it is needed: rows are so short, and so many are read at once,
// that the processor does not see the next ones coming.
template <int bits>
inline __attribute__((always_inline)) void fetch_block(const uint8_t* block) {
  ask_for(block, math::kCodeLanes * bits);
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
