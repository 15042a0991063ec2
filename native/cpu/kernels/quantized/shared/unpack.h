// Packed codes of a row, times their scales, as f32.
#pragma once
#include "cpu/kernels/quantized/shared/lanes.h"
#include "ops/quantized/shared/grouped.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Places of the rows of a matrix.
struct GroupedRows {
  Grouped size;
  const uint8_t* codes;
  const float* scales;
  GroupedRows(const Grouped& matrix, const View& of_codes, const View& of_scales)
      : size(matrix), codes(of_codes.as<uint8_t>()), scales(of_scales.as<float>()) {}
  const uint8_t* codes_of(int64_t row) const { return codes + row * size.row.bytes(); }
  const float* scales_of(int64_t row) const { return scales + row * size.groups; }
};

// f.operator()<bits>()
template <class F>
void with_bits(int64_t bits, F&& f) {
  if (bits == 2) return f.template operator()<2>();
  if (bits == 3) return f.template operator()<3>();
  if (bits == 4) return f.template operator()<4>();
  f.template operator()<8>();
}

// The numbers of a whole block, whose codes h have the scale scales[h].
template <int bits>
inline void unpack_block(const uint8_t* block, const float (&scales)[math::kLaneCodes],
                         float* out) {
  for (int part = 0; part < kLaneParts; ++part) {
    LaneWords words[kLaneWords<bits>];
    load_lanes<bits>(block, part, words);
#pragma GCC unroll 8
    for (int h = 0; h < math::kLaneCodes; ++h) {
      Vector<float> numbers;
      code_numbers<bits>(words, h, numbers);
      store<float>(numbers * scales[h], out + h * math::kCodeLanes + part * kVectorSize<float>);
    }
  }
}

// out = the elements `from` … `from` + n − 1 of a row, where `from` begins a block, and n ends one
// or the row.
template <int bits>
void unpack(const GroupedRows& w, int64_t row, int64_t from, int64_t n, float* out) {
  const math::PackedRow& size = w.size.row;
  const uint8_t* codes = w.codes_of(row);
  const float* scales = w.scales_of(row);
  const int64_t group = w.size.group, end = from + n;
  int64_t k = from;
  // If groups end between codes, a block is multiplied as it is unpacked.
  if (group % math::kCodeLanes == 0)
    for (; k + math::kBlockCodes <= end; k += math::kBlockCodes) {
      float of_code[math::kLaneCodes];
      for (int h = 0; h < math::kLaneCodes; ++h)
        of_code[h] = scales[(k + h * math::kCodeLanes) / group];
      unpack_block<bits>(codes + k / math::kBlockCodes * size.block_bytes(), of_code,
                         out + k - from);
    }
  for (; k < end; ++k)
    out[k - from] =
        float(math::signed_code(math::read_code(size, codes, k), bits)) * scales[k / group];
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
