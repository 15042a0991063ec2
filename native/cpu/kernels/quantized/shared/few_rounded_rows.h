// Products of few rows, rounded to 8 bits, with the rows of a matrix of packed codes: sums of
// integers in each group.
#pragma once
#include "cpu/kernels/quantized/shared/few_rows.h"
#include "cpu/kernels/quantized/shared/rounded_inputs.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// A group has `codes` codes of a lane in a block: 2, 4, or 8 where it is of one block or more.
template <int bits, int codes>
struct FewRoundedRows {
  const FewRows& numbers;  // for what lies behind the last whole block
  const RoundedInputs& a;
  int64_t first;  // row of a
  using Bytes = InputBytes<bits, codes>;
  using Lanes = Vector<int32_t>;
  static constexpr int kGroups = Bytes::kGroups;

  template <int rows, int inputs>
  __attribute__((always_inline)) void add_blocks(int64_t row,
                                                 Vector<float> (&sums)[rows][inputs]) const {
    const GroupedRows& w = numbers.w;
    const int64_t row_bytes = w.size.row.bytes(), groups = w.size.groups,
                  blocks = w.size.row.whole_blocks(), blocks_of_group = w.size.group / 128;
    const uint8_t* block = w.codes_of(row);
    const float *scales = w.scales_of(row), *input_scales = a.scales + first * groups;
    const int32_t* shifts = a.shifts + first * blocks * kGroups * math::kCodeLanes;
    const uint32_t* bytes = a.bytes + first * blocks * Bytes::kVectors * math::kCodeLanes;
    int64_t left = blocks_of_group;
    for (int64_t b = 0; b < blocks; ++b) {
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) fetch_block<bits>(block + (rows + r) * row_bytes);
      for (int part = 0; part < kLaneParts; ++part) {
        const int64_t lane = part * kVectorSize<float>;
        LaneWords words[rows][Bytes::kWords];
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
          LaneWords lanes[kLaneWords<bits>];
          load_lanes<bits>(block + r * row_bytes, part, lanes);
          CodeBytes<bits>::split(lanes, words[r]);
        }
#pragma GCC unroll 8
        for (int g = 0; g < kGroups; ++g) {
          Lanes of_group[rows][inputs];
#pragma GCC unroll 4
          for (int i = 0; i < inputs; ++i) {
            Lanes shift;
            load<int32_t>(shifts + ((i * blocks + b) * kGroups + g) * math::kCodeLanes + lane,
                          shift);
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r) of_group[r][i] = shift;
          }
#pragma GCC unroll 4
          for (int word = 0; word < Bytes::kWords; ++word) {
            if (!Bytes::meets(g, word)) continue;
#pragma GCC unroll 4
            for (int i = 0; i < inputs; ++i) {
              LaneWords input;
              const int64_t vector = (i * blocks + b) * Bytes::kVectors + Bytes::place(g, word);
              load<uint32_t>(bytes + vector * math::kCodeLanes + lane, input);
#pragma GCC unroll 8
              for (int r = 0; r < rows; ++r) add_bytes<bits>(words[r][word], input, of_group[r][i]);
            }
          }
#pragma GCC unroll 4
          for (int i = 0; i < inputs; ++i) {
            Vector<float> input_scale;
            input_scale = input_scales[i * groups + g] - Vector<float>{};
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r) {
              Vector<float> scale;
              scale = scales[r * groups + g] - Vector<float>{};
              const Vector<float> scaled =
                  __builtin_convertvector(of_group[r][i], Vector<float>) * input_scale;
              add_product<float>(scaled, scale, sums[r][i]);
            }
          }
        }
      }
      block += w.size.row.block_bytes();
      if constexpr (codes < 8) {
        scales += kGroups, input_scales += kGroups;
      } else if (--left == 0) {
        ++scales, ++input_scales, left = blocks_of_group;
      }
    }
  }

  // sums[r · inputs + i] = the product of row `row` + r of the matrix and row first + i of a.
  template <int rows, int inputs>
  __attribute__((noinline)) void multiply(int64_t row, float* totals) const {
    const math::PackedRow& size = numbers.w.size.row;
    Vector<float> sums[rows][inputs] = {};
    add_blocks<rows, inputs>(row, sums);
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < inputs; ++i) totals[r * inputs + i] = total_of(sums[r][i]);
    const int64_t done = size.whole_blocks() * math::kBlockCodes;
    if (done < size.columns)
      for (int r = 0; r < rows; ++r)
        numbers.template add_rest<bits>(row + r, done, inputs, totals + r * inputs);
  }

  template <int inputs, class Write>
  void run(int64_t begin, int64_t end, Write&& write) const {
    constexpr int kRows = int(code_rows(inputs));
    float totals[kRows * inputs];
    int64_t row = begin;
    for (; row + kRows <= end; row += kRows) {
      multiply<kRows, inputs>(row, totals);
      for (int r = 0; r < kRows; ++r) write(row + r, totals + r * inputs);
    }
    for (; row < end; ++row) {
      for (int i = 0; i < inputs; ++i) {
        const FewRows one{numbers.w, numbers.a + i * numbers.w.size.row.columns};
        FewRoundedRows{one, a, first + i}.template multiply<1, 1>(row, totals + i);
      }
      write(row, totals);
    }
  }
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
