// Products of f32 or f64 matrices, tile by tile of rows. Factors are read where they lie, but: the
// right one is packed once, in panels as wide as a tile, where its rows lie along the inner side or
// far from each other; and so are strips of a left one whose rows lie across and far from each
// other. Of a symmetric product only tiles on and below the diagonal are computed.
#pragma once
#include <optional>

#include "cpu/kernels/products/shared/groups.h"
#include "cpu/kernels/products/shared/mirror.h"
#include "cpu/kernels/products/shared/product_tile.h"
#include "cpu/kernels/products/shared/row_factor.h"
#include "cpu/panels.h"
#include "cpu/slots.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
class RowProduct {
 public:
  // `to` begins at the first elements of the batch; a product that is not symmetric has no mirror.
  RowProduct(Stream& stream, int64_t batch, int64_t inner, const RowFactor<T>& left,
             const RowFactor<T>& right, const RowResult<T>& to, const Mirror<T>* mirror = nullptr)
      : stream_(stream),
        batch_(batch),
        inner_(inner),
        left_(left),
        right_(right),
        to_(to),
        mirror_(mirror),
        left_in_place_(!left.down || left.stride <= kNear || right.rows <= kColumns),
        right_in_place_(right.down && (right.stride <= kColumns || left.rows <= kFewTiles)) {
    const int64_t k = std::max<int64_t>(1, inner);
    depth_ = parts_of(k, parts_of(k, kDepth));
    panels_ = parts_of(right.rows, kColumns);
    columns_ = std::min(panels_, std::max<int64_t>(1, kPackedElements / (kColumns * depth_)));
    const int64_t slice = columns_ * kColumns * depth_;  // of one block of the inner side
    blocks_ = std::min(parts_of(k, depth_), std::max<int64_t>(1, kPackedElements / slice));
    matrix_ = slice * blocks_;
    group_ = std::clamp<int64_t>(kPackedElements / matrix_, 1, std::max<int64_t>(1, batch));
    packed_ = stream.scratch<T>(group_ * matrix_);
    if (!left_in_place_) strips_.emplace(stream, kStrip * depth_);
    width_ = std::max<int64_t>(1, kNearElements / (kColumns * depth_));
    // A unit has as many rows as go by one block of panels, or fewer, so that all threads have
    // some: the bits are those of the tiles, however they are shared out.
    const int64_t wanted = stream.threads() == 1 ? 1 : kUnitsOfThread * stream.threads(),
                  chunks = parts_of(wanted, group_ * parts_of(columns_, width_));
    height_ = std::min(kMostRows, parts_of(parts_of(left.rows, chunks), kStrip) * kStrip);
  }

  void run() const {
    for (int64_t first = 0; first < batch_; first += group_)
      for (int64_t k = 0; k == 0 || k < inner_; k += blocks_ * depth_)
        for (int64_t panel = 0; panel < panels_; panel += columns_)
          run_part({first, std::min(group_, batch_ - first), k,
                    std::min(blocks_ * depth_, inner_ - k), panel,
                    std::min(columns_, panels_ - panel)});
  }

 private:
  static constexpr int64_t kLanes = kVectorSize<T>, kColumns = kRowTileVectors * kLanes;
  static constexpr int64_t kTileRows = product_tile_rows(kRowTileVectors);
  static constexpr int64_t kNear =
      512 / sizeof(T);                      // rows further from each other share sets of caches
  static constexpr int64_t kFewTiles = 24;  // rows by which packed panels would hardly go
  static constexpr int64_t kShort = 32;     // elements of an inner side
  static constexpr int64_t kStrip = 48;     // rows of the left factor that are packed at once
  static constexpr int64_t kMostRows = 384, kUnitsOfThread = 4;
  // Elements of scratch memory, at most; and of the panels that rows go by before the next ones do,
  // which the second cache holds.
  static constexpr int64_t kPackedElements = (int64_t(1) << 20) / sizeof(T),
                           kNearElements = (640 << 10) / sizeof(T);

  struct Part {
    int64_t first, count;  // matrices of the batch
    int64_t k, span;       // of the inner side
    int64_t panel, panels;
  };
  // Some rows of one matrix by some panels, within a block of the inner side.
  struct Slice {
    const Part& part;
    int64_t slot;  // of the matrix
    int64_t row, rows, at, panels;
    int64_t block, k, depth;
  };

  void run_part(const Part& p) const {
    const int64_t span = std::max<int64_t>(1, p.span);
    in_groups(stream_, p.count * p.panels, kLeastCopies / (kColumns * span), [&](int64_t i) {
      if (!is_in_place(p.panel + i % p.panels)) pack(p, i / p.panels, i % p.panels);
    });
    const int64_t rows = parts_of(left_.rows, height_), columns = parts_of(p.panels, width_),
                  units = rows * columns,
                  products = height_ * std::min(width_, p.panels) * kColumns * span;
    in_groups(stream_, p.count * units, kLeastProducts / products, [&](int64_t i) {
      multiply(p, i / units, i % units / columns * height_, i % columns * width_);
    });
  }

  int64_t columns_of(int64_t panel) const {
    return std::min(kColumns, right_.rows - panel * kColumns);
  }
  bool is_in_place(int64_t panel) const {
    return right_in_place_ && (kHasMasks || columns_of(panel) % kLanes == 0);
  }
  const T* right(int64_t matrix, int64_t panel, int64_t k) const {
    const int64_t column = panel * kColumns;
    return right_.data + matrix * right_.matrix +
           (right_.down ? k * right_.stride + column : column * right_.stride + k);
  }
  T* packed(const Part& p, int64_t slot, int64_t block, int64_t at) const {
    return packed_ + slot * matrix_ + (block * p.panels + at) * depth_ * kColumns;
  }

  void pack(const Part& p, int64_t slot, int64_t at) const {
    const int64_t panel = p.panel + at, columns = columns_of(panel),
                  width = parts_of(columns, kLanes) * kLanes;
    for (int64_t k = 0, block = 0; k < p.span; k += depth_, ++block) {
      const int64_t depth = std::min(depth_, p.span - k);
      const T* from = right(p.first + slot, panel, p.k + k);
      T* to = packed(p, slot, block, at);
      if (columns < width) std::fill_n(to, depth * width, T(0));
      if (right_.down)
        copy_rows(from, right_.stride, columns, depth, to, width);
      else
        transpose(from, right_.stride, columns, depth, to, width);
    }
  }

  // Rows of one matrix from `row` on, by panels from `at` on; of a symmetric one those that reach
  // below the diagonal, so that what a tile has above it is of the same unit.
  void multiply(const Part& p, int64_t slot, int64_t row, int64_t at) const {
    const int64_t last = std::min(left_.rows, row + height_),
                  panels = std::min(width_, p.panels - at), column = (p.panel + at) * kColumns;
    if (mirror_) row = std::max(row, column);
    if (row >= last) return;
    const T* a = left_.data + (p.first + slot) * left_.matrix;
    for (int64_t k = 0, block = 0; k == 0 || k < p.span; k += depth_, ++block) {
      const int64_t from = p.k + k, depth = std::min(depth_, p.span - k);
      const Slice all{p, slot, row, last - row, at, panels, block, from, depth};
      if (!left_.down) {
        multiply(all, {a + row * left_.stride + from, left_.stride, false});
        continue;
      }
      const T* across = a + from * left_.stride;
      if (left_in_place_) {
        multiply(all, {across + row, left_.stride, true});
        continue;
      }
      strips_->borrow([&](T* strip) {
        for (int64_t i = row; i < last; i += kStrip) {
          Slice some = all;
          some.row = i, some.rows = std::min(kStrip, last - i);
          copy_rows(across + i, left_.stride, some.rows, depth, strip, kStrip);
          multiply(some, {strip, kStrip, true});
        }
      });
    }
    if (mirror_ && p.k + p.span >= inner_)
      mirror_->finish({row, last}, {column, std::min(left_.rows, column + panels * kColumns)},
                      to_.from(p.first + slot, 0, 0).c, to_.stride);
  }

  // All panels go by a tile's rows before the next rows come; or, where the inner side is short so
  // that a panel stays in the first cache, all rows by a panel before the next one does.
  void multiply(const Slice& s, const TileRows<T>& a) const {
    const bool by_panels = !mirror_ && (s.panels == 1 || s.depth <= kShort);
    const int64_t height = by_panels ? s.rows : kTileRows;
    for (int64_t i = 0; i < s.rows; i += height)
      for (int64_t q = s.at; q < s.at + s.panels; ++q)
        multiply_panel(s, q, i, std::min(height, s.rows - i), a.from(i));
  }

  void multiply_panel(const Slice& s, int64_t at, int64_t row, int64_t rows,
                      const TileRows<T>& a) const {
    const int64_t matrix = s.part.first + s.slot, panel = s.part.panel + at,
                  columns = columns_of(panel);
    const bool is_first = s.k == 0;
    RowResult<T> to = to_.from(matrix, s.row + row, panel * kColumns);
    if (!is_first) to.beta = 1, to.old = to.c, to.bias = nullptr;
    const bool in_place = is_in_place(panel);
    const T* b = in_place ? right(matrix, panel, s.k) : packed(s.part, s.slot, s.block, at);
    const int64_t b_stride = in_place ? right_.stride : whole_vectors<T>(columns);
    if (mirror_)
      multiply_panel_below<T>(rows, a, s.depth, b, b_stride, to, columns,
                              panel * kColumns - (s.row + row));
    else
      orthokit::cpu::multiply_panel<T>(rows, a, s.depth, b, b_stride, to, columns);
  }

  Stream& stream_;
  const int64_t batch_, inner_;
  const RowFactor<T> left_, right_;
  const RowResult<T> to_;
  const Mirror<T>* const mirror_;
  const bool left_in_place_, right_in_place_;
  int64_t depth_, blocks_;    // elements in one running sum; such blocks packed at once
  int64_t panels_, columns_;  // of the right factor; those packed at once
  int64_t matrix_, group_;    // packed elements of one matrix; matrices packed at once
  int64_t height_, width_;    // rows and panels of a unit
  T* packed_;
  std::optional<SlotsOf<T>> strips_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
