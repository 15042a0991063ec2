// Products of 16-bit matrices, summed in f32 over the whole inner side and rounded once.
#pragma once
#include "cpu/kernels/products/shared/groups.h"
#include "cpu/kernels/products/shared/half_words.h"
#include "cpu/kernels/products/shared/matrix_tiles.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// One factor: row i's element k of a matrix is data[down ? k · stride + i : i · stride + k].
template <class T>
struct HalfFactor {
  const T* data;
  int64_t rows, stride, matrix;  // elements between matrices
  bool down;
};

struct HalfSizes {
  int64_t batch, inner;
  bool triangle;  // on and below the diagonal only
};

// Blocks of the result, of one large matrix or of many small ones: both factors' panels are packed,
// a span of the inner side at a time, and multiplied tile by tile.
template <class Words, class T, class Store>
class HalfProduct {
 public:
  HalfProduct(Stream& stream, const HalfSizes& sizes, const HalfFactor<T>& left,
              const HalfFactor<T>& right, const Store& store)
      : stream_(stream), sizes_(sizes), left_(left), right_(right), store_(store) {
    words_ = parts_of(sizes.inner, Words::kElements * Words::kStep) * Words::kStep;
    row_panels_ = parts_of(left.rows, kPanel), column_panels_ = parts_of(right.rows, kPanel);
    rows_ = std::min(row_panels_, kBlockPanels), columns_ = std::min(column_panels_, kBlockPanels);
    const int64_t slice = std::max<int64_t>(1, (rows_ + columns_) * kPanel);
    span_ = std::min(std::max<int64_t>(1, kPackedWords / (slice * kDepth)) * kDepth, words_);
    matrix_ = slice * span_;
    const int64_t sums = span_ < words_ ? rows_ * columns_ * kTile : 0;
    group_ = std::clamp<int64_t>(kPackedWords / std::max<int64_t>(1, matrix_ + sums), 1,
                                 std::max<int64_t>(1, sizes.batch));
    packed_ = stream.scratch<float>(group_ * matrix_);
    sums_ = stream.scratch<float>(group_ * sums);
  }

  void run() const {
    for (int64_t first = 0; first < sizes_.batch; first += group_)
      for (int64_t row = 0; row < row_panels_; row += rows_)
        for (int64_t column = 0; column < column_panels_; column += columns_) {
          if (sizes_.triangle && column > row) break;
          run_block({first, std::min(group_, sizes_.batch - first), row,
                     std::min(rows_, row_panels_ - row), column,
                     std::min(columns_, column_panels_ - column)});
        }
  }

 private:
  static constexpr int64_t kBlockPanels = 32, kTile = kPanel * kPanel;
  static constexpr int64_t kPackedWords = int64_t(1) << 21;  // of scratch memory, about

  struct Block {
    int64_t first, count;  // matrices of the batch
    int64_t row, rows;     // panels of the left factor
    int64_t column, columns;
  };

  void run_block(const Block& b) const {
    const bool on_diagonal = sizes_.triangle && b.row == b.column;
    const int64_t panels = shares(b) ? b.rows : b.rows + b.columns, tiles = b.rows * b.columns;
    for (int64_t at = 0; at == 0 || at < words_; at += std::max<int64_t>(1, span_)) {
      const int64_t span = std::min(span_, words_ - at);
      in_groups(stream_, b.count * panels, kLeastCopies / (kPanel * std::max<int64_t>(1, span)),
                [&](int64_t i) { pack(b, i / panels, i % panels, at, span); });
      in_groups(stream_, b.count * tiles, kLeastProducts / (kTile * std::max<int64_t>(1, span)),
                [&](int64_t i) {
                  const int64_t row = i % tiles / b.columns, column = i % tiles % b.columns;
                  if (!on_diagonal || column <= row) multiply(b, i / tiles, row, column, at, span);
                });
    }
  }

  // The right panels are the left ones.
  bool shares(const Block& b) const {
    return Words::kSidesAlike && sizes_.triangle && b.row == b.column && left_.data == right_.data;
  }

  void pack(const Block& b, int64_t slot, int64_t panel, int64_t at, int64_t span) const {
    const bool is_left = panel < b.rows;
    const HalfFactor<T>& x = is_left ? left_ : right_;
    const int64_t row = (is_left ? b.row + panel : b.column + panel - b.rows) * kPanel,
                  k = at * Words::kElements;
    const T* from =
        x.data + (b.first + slot) * x.matrix + (x.down ? k * x.stride + row : row * x.stride + k);
    Words::pack(is_left, x.down, from, x.stride, std::min<int64_t>(kPanel, x.rows - row), span,
                sizes_.inner - k, packed(slot, panel, span));
  }

  void multiply(const Block& b, int64_t slot, int64_t row, int64_t column, int64_t at,
                int64_t span) const {
    alignas(64) float own[kTile];
    float* sums =
        span_ < words_ ? sums_ + (slot * rows_ * columns_ + row * columns_ + column) * kTile : own;
    const int64_t i = (b.row + row) * kPanel, j = (b.column + column) * kPanel;
    const int64_t height = std::min<int64_t>(kPanel, left_.rows - i),
                  width = std::min<int64_t>(kPanel, right_.rows - j);
    const float* left = packed(slot, row, span);
    const float* right = packed(slot, shares(b) ? column : b.rows + column, span);
    for (int64_t w = 0; w == 0 || w < span; w += kDepth)
      Words::multiply(std::min(kDepth, span - w), left + w * kPanel, right + w * kPanel, height,
                      width, at + w == 0, sums);
    if (at + span == words_) store_(b.first + slot, i, j, height, width, sums);
  }

  float* packed(int64_t slot, int64_t panel, int64_t span) const {
    return packed_ + slot * matrix_ + panel * kPanel * span;
  }

  Stream& stream_;
  const HalfSizes sizes_;
  const HalfFactor<T> left_, right_;
  const Store& store_;
  int64_t words_;                       // of the inner side
  int64_t row_panels_, column_panels_;  // of the result
  int64_t rows_, columns_;              // those of a block
  int64_t span_, matrix_, group_;  // words packed at once; packed words of one matrix; matrices
  float *packed_, *sums_;
};

// store(matrix, i, j, rows, columns, sums) gets the finished sums of each tile of left · rightᵀ,
// kPanel floats a row; zeros if there is nothing to sum.
// The factors are of T, or of f32 and rounded to T.
template <class T, class From, class Store>
void half_product(Stream& stream, const HalfSizes& sizes, const HalfFactor<From>& left,
                  const HalfFactor<From>& right, const Store& store) {
#ifdef __AVX512F__
  if constexpr (std::is_same_v<T, Bfloat16>) {
    if (has_matrix_tiles())
      return HalfProduct<MatrixTiles, From, Store>(stream, sizes, left, right, store).run();
    if (has_pairs())
      return HalfProduct<Pairs, From, Store>(stream, sizes, left, right, store).run();
  }
#endif
  HalfProduct<Widened<T>, From, Store>(stream, sizes, left, right, store).run();
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
