// Products of few rows with the rows of a matrix of packed codes, which are unpacked in registers.
#pragma once
#include "cpu/kernels/quantized/shared/unpack.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Rows of a that one pass over the codes serves, and rows of codes that it walks together.
inline constexpr int kFewRows = 4;
#ifdef __AVX512F__
inline constexpr int64_t code_rows(int inputs) { return inputs > 2 ? 2 : 4; }
#else
inline constexpr int64_t code_rows(int inputs) { return inputs > 1 ? 1 : 2; }
#endif

inline float total_of(const Vector<float>& lanes) {
  float sums[kVectorSize<float>];
  store<float>(lanes, sums);
  for (int half = kVectorSize<float> / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) sums[k] += sums[k + half];
  return sums[0];
}

struct FewRows {
  const GroupedRows& w;
  const float* a;  // rows of as many elements as w has columns

  // Sums of whole blocks, whose groups have `codes` codes of a lane in a block: 2, 4, or 8 where
  // they are of one block or more.
  template <int bits, int codes, int rows, int inputs>
  __attribute__((always_inline)) void add_blocks(int64_t row,
                                                 Vector<float> (&sums)[rows][inputs]) const {
    const int64_t columns = w.size.row.columns, bytes = w.size.row.bytes(), groups = w.size.groups;
    const uint8_t* block = w.codes_of(row);
    const float* scales = w.scales_of(row);
    const int64_t blocks_of_group = codes == 8 ? w.size.group / math::kBlockCodes : 1;
    for (int64_t b = 0, left = blocks_of_group; b < w.size.row.whole_blocks(); ++b) {
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) fetch_block<bits>(block + (rows + r) * bytes);
      for (int part = 0; part < kLaneParts; ++part) {
        const float* x = a + b * math::kBlockCodes + part * kVectorSize<float>;
        LaneWords words[rows][kLaneWords<bits>];
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) load_lanes<bits>(block + r * bytes, part, words[r]);
#pragma GCC unroll 8
        for (int g = 0; g < math::kLaneCodes / codes; ++g) {
          Vector<float> of_group[rows][inputs];
#pragma GCC unroll 8
          for (int h = 0; h < codes; ++h) {
            Vector<float> input[inputs];
#pragma GCC unroll 4
            for (int i = 0; i < inputs; ++i)
              load<float>(x + i * columns + (g * codes + h) * math::kCodeLanes, input[i]);
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r) {
              Vector<float> numbers;
              code_numbers<bits>(words[r], g * codes + h, numbers);
#pragma GCC unroll 4
              for (int i = 0; i < inputs; ++i)
                if (h == 0)
                  of_group[r][i] = numbers * input[i];
                else
                  add_product<float>(numbers, input[i], of_group[r][i]);
            }
          }
#pragma GCC unroll 8
          for (int r = 0; r < rows; ++r) {
            Vector<float> scale;
            scale = scales[r * groups + g] - Vector<float>{};
#pragma GCC unroll 4
            for (int i = 0; i < inputs; ++i) add_product<float>(of_group[r][i], scale, sums[r][i]);
          }
        }
      }
      block += w.size.row.block_bytes();
      if constexpr (codes < 8) {
        scales += math::kLaneCodes / codes;
      } else if (--left == 0) {
        ++scales, left = blocks_of_group;
      }
    }
  }

  // Sums of all that lies from `from` on, a block at a time.
  template <int bits>
  void add_rest(int64_t row, int64_t from, int inputs, float* sums) const {
    const int64_t columns = w.size.row.columns;
    float numbers[math::kBlockCodes];
    constexpr int kLanes = kVectorSize<float>;
    for (int64_t at = from; at < columns; at += math::kBlockCodes) {
      const int64_t n = std::min<int64_t>(math::kBlockCodes, columns - at);
      unpack<bits>(w, row, at, n, numbers);
      for (int i = 0; i < inputs; ++i) {
        const float* x = a + i * columns + at;
        Vector<float> sum{};
        int64_t k = 0;
        for (; k + kLanes <= n; k += kLanes) {
          Vector<float> number;
          load<float>(numbers + k, number);
          add_product<float>(number, x + k, sum);
        }
        sums[i] += total_of(sum);
        for (; k < n; ++k) sums[i] += numbers[k] * x[k];
      }
    }
  }

  // sums[r · inputs + i] = the product of row `row` + r and row i of a. Codes whose groups end
  // within 16 neighbours, or at other places than after 32, 64 or 128, are `codes` 0.
  template <int bits, int codes, int rows, int inputs>
  __attribute__((noinline)) void multiply(int64_t row, float* totals) const {
    int64_t done = 0;
    if constexpr (codes > 0) {
      Vector<float> sums[rows][inputs] = {};
      add_blocks<bits, codes, rows, inputs>(row, sums);
      for (int r = 0; r < rows; ++r)
        for (int i = 0; i < inputs; ++i) totals[r * inputs + i] = total_of(sums[r][i]);
      done = w.size.row.whole_blocks() * math::kBlockCodes;
    } else {
      std::fill_n(totals, rows * inputs, 0.0f);
    }
    if (done < w.size.row.columns)
      for (int r = 0; r < rows; ++r) add_rest<bits>(row + r, done, inputs, totals + r * inputs);
  }

  template <int bits, int codes, int inputs, class Write>
  void run(int64_t begin, int64_t end, Write&& write) const {
    constexpr int kRows = int(code_rows(inputs));
    float totals[kRows * inputs];
    int64_t row = begin;
    for (; row + kRows <= end; row += kRows) {
      multiply<bits, codes, kRows, inputs>(row, totals);
      for (int r = 0; r < kRows; ++r) write(row + r, totals + r * inputs);
    }
    // Sums do not depend on what goes with them: the last rows take one function for any inputs.
    for (; row < end; ++row) {
      for (int i = 0; i < inputs; ++i)
        FewRows{w, a + i * w.size.row.columns}.multiply<bits, codes, 1, 1>(row, totals + i);
      write(row, totals);
    }
  }
};

// f.operator()<codes>(), of a lane in a group, as FewRows takes them.
template <class F>
void with_group(int64_t group, F&& f) {
  if (group == 32) return f.template operator()<2>();
  if (group == 64) return f.template operator()<4>();
  if (group % math::kBlockCodes == 0) return f.template operator()<8>();
  f.template operator()<0>();
}

// f.operator()<inputs>() for 1 to kFewRows.
template <class F>
void with_inputs(int64_t inputs, F&& f) {
  if (inputs == 1) return f.template operator()<1>();
  if (inputs == 2) return f.template operator()<2>();
  if (inputs == 3) return f.template operator()<3>();
  f.template operator()<kFewRows>();
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
