// Products of many rows with a matrix of packed codes, which is unpacked in tiles that stay in a
// core's cache.
#pragma once
#include "cpu/kernels/quantized/shared/unpack.h"
#include "cpu/row_tile.h"
#include "cpu/slots.h"
#include "cpu/transpose.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Terms of a result besides the product.
struct ProductTo {
  float beta;
  const float* bias;  // or null
  float* c;
};

class ManyRows {
 public:
  ManyRows(const GroupedRows& w, int64_t inputs, const float* a, const ProductTo& to,
           Stream& stream)
      : w_(w), inputs_(inputs), a_(a), to_(to), stream_(stream) {}

  // c = a · wᵀ: tiles of rows of w as the left factor, and rows of a side by side as the right one.
  template <int bits>
  void run_forward() const {
    const int64_t columns = w_.size.row.columns, rows = w_.size.rows;
    float* panels =
        stream_.scratch<float>(columns * whole_vectors<float>(std::min(inputs_, kInputs)));
    const SlotsOf<float> slots(stream_, kRows * kDepth + kRows * kInputs + kTile);
    for (int64_t first = 0; first < inputs_; first += kInputs) {
      const int64_t inputs = std::min(kInputs, inputs_ - first),
                    count = (inputs + kColumns - 1) / kColumns,
                    depths = (columns + kDepth - 1) / kDepth;
      const Panels right{panels, columns, inputs};
      stream_.parallel(count * depths, [&](int64_t i) {
        const int64_t panel = i / depths, k = i % depths * kDepth,
                      depth = std::min(kDepth, columns - k);
        right.pack(panel, k, depth, a_ + (first + panel * kColumns) * columns + k);
      });
      stream_.parallel((rows + kRows - 1) / kRows, [&](int64_t i) {
        const int64_t row = i * kRows;
        slots.borrow([&](float* memory) {
          forward_part<bits>(row, std::min(kRows, rows - row), first, right, memory);
        });
      });
    }
  }

  // c = a · w: tiles of some columns of w as the right factor, and rows of a as the left one.
  template <int bits>
  void run_backward() const {
    const int64_t columns = w_.size.row.columns;
    const SlotsOf<float> slots(stream_, kWidth * kBackDepth + kTile);
    stream_.parallel((columns + kWidth - 1) / kWidth, [&](int64_t i) {
      slots.borrow([&](float* memory) { backward_part<bits>(i * kWidth, memory); });
    });
  }

 private:
  static constexpr int64_t kColumns = kRowTileColumns<float>;
  static constexpr int64_t kInputs = 512;  // rows of a that lie side by side at once
  static constexpr int64_t kRows = 48, kDepth = 3 * math::kBlockCodes;
  static constexpr int64_t kWidth = 4 * math::kBlockCodes, kBackDepth = 96;
  static constexpr int64_t kTile = kRowTileRows * kColumns;

  // Rows of a side by side, kColumns of them a panel.
  struct Panels {
    float* data;
    int64_t columns, inputs;
    int64_t width_of(int64_t panel) const {
      return whole_vectors<float>(std::min(kColumns, inputs - panel * kColumns));
    }
    float* at(int64_t panel, int64_t k) const {
      return data + panel * kColumns * columns + k * width_of(panel);
    }
    void pack(int64_t panel, int64_t k, int64_t depth, const float* from) const {
      const int64_t width = width_of(panel), rows = std::min(kColumns, inputs - panel * kColumns);
      float* to = at(panel, k);
      if (rows < width) std::fill_n(to, depth * width, 0.0f);
      transpose(from, columns, rows, depth, to, width);
    }
  };

  // A tile's sums over `depth` elements; then write(row, sums of it) for each of its rows.
  template <class Write>
  static void multiply(int64_t rows, int64_t vectors, const float* left, int64_t stride,
                       int64_t depth, const float* right, int64_t right_stride, float* tile,
                       Write&& write) {
    for_row_tiles(rows, vectors, [&](int64_t first, int64_t height) {
      const float* pointers[kRowTileRows];
      for (int64_t r = 0; r < height; ++r) pointers[r] = left + (first + r) * stride;
      row_tile<float, SumsFrom::kZero, true>(height, vectors, pointers,
                                             Segments{kNoOffset, 1, depth}, right, right_stride,
                                             tile, kColumns);
      for (int64_t r = 0; r < height; ++r) write(first + r, tile + r * kColumns);
    });
  }

  template <int bits>
  void forward_part(int64_t row, int64_t rows, int64_t first, const Panels& right,
                    float* memory) const {
    float *numbers = memory, *sums = numbers + kRows * kDepth, *tile = sums + kRows * kInputs;
    const int64_t inputs = right.inputs, columns = right.columns;
    std::fill_n(sums, rows * kInputs, 0.0f);
    for (int64_t k = 0; k < columns; k += kDepth) {
      const int64_t depth = std::min(kDepth, columns - k);
      for (int64_t r = 0; r < rows; ++r) unpack<bits>(w_, row + r, k, depth, numbers + r * kDepth);
      for (int64_t panel = 0; panel * kColumns < inputs; ++panel) {
        const int64_t width = right.width_of(panel);
        multiply(rows, width / kVectorSize<float>, numbers, kDepth, depth, right.at(panel, k),
                 width, tile, [&](int64_t r, const float* of) {
                   float* to = sums + r * kInputs + panel * kColumns;
                   for (int64_t q = 0; q < width; ++q) to[q] += of[q];
                 });
      }
    }
    for (int64_t i = 0; i < inputs; ++i) {
      float* c = to_.c + (first + i) * w_.size.rows + row;
      for (int64_t r = 0; r < rows; ++r)
        c[r] = sums[r * kInputs + i] + (to_.beta == 0 ? 0 : to_.beta * c[r]) +
               (to_.bias ? to_.bias[row + r] : 0);
    }
  }

  template <int bits>
  void backward_part(int64_t column, float* memory) const {
    float *numbers = memory, *tile = numbers + kWidth * kBackDepth;
    const int64_t columns = w_.size.row.columns, rows = w_.size.rows,
                  width = std::min(kWidth, columns - column);
    for (int64_t i = 0; i < inputs_; ++i) {
      float* c = to_.c + i * columns + column;
      for (int64_t q = 0; q < width; ++q)
        c[q] = (to_.beta == 0 ? 0 : to_.beta * c[q]) + (to_.bias ? to_.bias[column + q] : 0);
    }
    for (int64_t k = 0; k < rows; k += kBackDepth) {
      const int64_t depth = std::min(kBackDepth, rows - k);
      for (int64_t r = 0; r < depth; ++r) {
        unpack<bits>(w_, k + r, column, width, numbers + r * kWidth);
        std::fill(numbers + r * kWidth + width, numbers + r * kWidth + whole_vectors<float>(width),
                  0.0f);
      }
      for (int64_t q = 0; q < width; q += kColumns) {
        const int64_t some = std::min(kColumns, width - q);
        multiply(inputs_, whole_vectors<float>(some) / kVectorSize<float>, a_ + k, rows, depth,
                 numbers + q, kWidth, tile, [&](int64_t i, const float* of) {
                   float* c = to_.c + i * columns + column + q;
                   for (int64_t j = 0; j < some; ++j) c[j] += of[j];
                 });
      }
    }
  }

  const GroupedRows& w_;
  const int64_t inputs_;
  const float* a_;
  const ProductTo to_;
  Stream& stream_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
