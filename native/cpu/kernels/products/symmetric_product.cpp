#include "ops/products/symmetric_product.h"

#include "cpu/convert.h"
#include "cpu/kernels/products/shared/half_product.h"
#include "cpu/product.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

struct Tile {  // of the lower triangle
  int64_t row, column;
};
Tile tile_at(int64_t index) {
  int64_t row = 0;
  while ((row + 1) * (row + 2) / 2 <= index) ++row;
  return {row, index - row * (row + 1) / 2};
}

int64_t triangle_of(int64_t sides) { return sides * (sides + 1) / 2; }

// The sizes of one matrix of the batch; `a` is n × k, or k × n if `down`.
struct ProductSizes {
  bool down;
  int64_t batch, n, k, stride;
  explicit ProductSizes(const SymmetricProduct& op) : down(op.trans != Transpose::kNone) {
    const Matrices s = matrices(op.a);
    batch = s.batch, stride = s.columns, n = down ? s.columns : s.rows;
    k = op.alpha == 0 ? 0 : down ? s.rows : s.columns;
  }
  int64_t elements(const View& a) const { return batch == 0 ? 0 : a.size() / batch; }
};

const View& second_of(const SymmetricProduct& op) { return op.b ? op.b : op.a; }

template <class T>
void by_tiles(const SymmetricProduct& op, Stream& stream) {
  constexpr int64_t kTile = 128, kStrip = 16;
  const ProductSizes s(op);
  const int64_t tiles = triangle_of(parts_of(s.n, kTile));
  stream.parallel(s.batch * tiles, [&](int64_t part) {
    const int64_t batch = part / tiles;
    const Tile tile = tile_at(part % tiles);
    const int64_t i = tile.row * kTile, j = tile.column * kTile;
    const int64_t height = std::min(kTile, s.n - i), width = std::min(kTile, s.n - j);
    const T* a = op.a.as<T>() + batch * s.elements(op.a);
    const T* b = second_of(op).as<T>() + batch * s.elements(op.a);
    T* c = op.c.as<T>() + batch * s.n * s.n;
    if (op.addend && op.beta != 0) {
      const T* old = op.addend.as<T>() + batch * s.n * s.n;
      for (int64_t r = i; r < i + height; ++r)
        std::copy_n(old + r * s.n + j, width, c + r * s.n + j);
    }
    // On the diagonal, what lies above it is left out by strips of columns.
    const int64_t strip = i == j ? kStrip : width;
    for (int64_t q = 0; q < width; q += strip) {
      const int64_t top = i == j ? i + q : i, left = j + q;
      product<T>(s.down, !s.down, i + height - top, std::min(strip, width - q), s.k, T(op.alpha),
                 a + (s.down ? top : top * s.stride), s.stride,
                 b + (s.down ? left : left * s.stride), s.stride, T(op.beta), c + top * s.n + left,
                 s.n);
    }
    if (i == j)
      for (int64_t r = 0; r < height; ++r) c[(i + r) * s.n + i + r] += T(op.diagonal);
    for (int64_t r = 0; r < height; ++r)
      for (int64_t q = 0; q < width && j + q < i + r; ++q)
        c[(j + q) * s.n + i + r] = c[(i + r) * s.n + j + q];
  });
}

template <class T>
void by_halves(const SymmetricProduct& op, Stream& stream) {
  const ProductSizes s(op);
  const HalfFactor<T> a{op.a.as<T>(), s.n, s.stride, s.elements(op.a), s.down};
  HalfFactor<T> b = a;
  b.data = second_of(op).as<T>();
  const T* before = op.addend ? op.addend.as<T>() : op.c.as<T>();
  const float alpha = float(op.alpha), beta = float(op.beta), diagonal = float(op.diagonal);
  half_product<T>(
      stream, {s.batch, s.k, true}, a, b,
      [&](int64_t matrix, int64_t i, int64_t j, int64_t rows, int64_t columns, const float* sums) {
        const int64_t first = matrix * s.n * s.n;
        T* c = op.c.as<T>() + first;
        for (int64_t r = 0; r < rows; ++r, sums += kPanel) {
          const int64_t width = i == j ? r + 1 : columns, at = (i + r) * s.n + j;
          const T* old = before + first + at;
          for (int64_t q = 0; q < width; ++q) {
            float value = alpha * sums[q];
            if (beta != 0) value += beta * to_float(old[q]);
            if (i == j && q == r) value += diagonal;
            const T rounded = convert<T>(value);
            c[at + q] = c[(j + q) * s.n + i + r] = rounded;
          }
        }
      });
}

#ifdef __AVX2__

constexpr int64_t kTilePanels = 2;  // sides of what one thread takes
// Elements of scratch memory: of matrices that are packed together, about, and of one at most.
constexpr int64_t kPackedElements = int64_t(1) << 22, kMostPacked = int64_t(1) << 24;

// Blocks at most kDepth deep of some matrices of the batch are packed once, all panels of them,
// then multiplied tile by tile.
class Panels {
 public:
  Panels(const SymmetricProduct& op, Stream& stream)
      : op_(op), stream_(stream), s_(op), panels_(parts_of(s_.n, kPanel)) {
    factors_ = op.b ? 2 : 1;
    const int64_t layer = factors_ * panels_ * kPanel;
    depth_ = std::clamp<int64_t>(kMostPacked / std::max<int64_t>(1, layer), 1, kDepth);
    matrix_ = layer * std::min(s_.k, depth_);
    group_ = std::clamp<int64_t>(kPackedElements / std::max<int64_t>(1, matrix_), 1,
                                 std::max<int64_t>(1, s_.batch));
    packed_ = stream.scratch<float>(group_ * matrix_);
  }

  void run() {
    for (int64_t first = 0; first < s_.batch; first += group_)
      for (int64_t k = 0; k == 0 || k < s_.k; k += depth_)
        run_block(first, std::min(group_, s_.batch - first), k, std::min(depth_, s_.k - k));
  }

 private:
  void run_block(int64_t first, int64_t count, int64_t k, int64_t depth) {
    const int64_t panels = factors_ * panels_;
    stream_.parallel(count * panels, [&](int64_t part) {
      const int64_t matrix = part / panels, panel = part % panels, i = panel % panels_ * kPanel;
      const float* a =
          (panel < panels_ ? op_.a : op_.b).as<float>() + (first + matrix) * s_.elements(op_.a);
      pack_panel(s_.down, a + (s_.down ? k * s_.stride + i : i * s_.stride + k), s_.stride, rows(i),
                 depth, packed(matrix, panel * kPanel, depth));
    });
    const int64_t tiles = triangle_of(parts_of(panels_, kTilePanels));
    stream_.parallel(count * tiles, [&](int64_t part) {
      const Tile tile = tile_at(part % tiles);
      for_panels(tile.column, [&](int64_t j) {
        for_panels(tile.row, [&](int64_t i) {
          if (i >= j) multiply(first, part / tiles, i, j, k, depth);
        });
      });
    });
  }

  void multiply(int64_t first, int64_t matrix, int64_t i, int64_t j, int64_t k, int64_t depth) {
    float* c = op_.c.as<float>() + (first + matrix) * s_.n * s_.n;
    float* at = c + i * s_.n + j;
    const float* old =
        k == 0 && op_.addend ? op_.addend.as<float>() + (at - op_.c.as<float>()) : at;
    const float beta = k == 0 ? float(op_.beta) : 1;
    multiply_panels(depth, packed(matrix, i, depth),
                    packed(matrix, (factors_ - 1) * panels_ * kPanel + j, depth), rows(i), rows(j),
                    i == j, float(op_.alpha), beta, old, at, s_.n);
    if (k + depth < s_.k) return;
    if (i > j) return transpose(at, s_.n, rows(i), rows(j), c + j * s_.n + i, s_.n);
    for (int64_t r = 0; r < rows(i); ++r) at[r * s_.n + r] += float(op_.diagonal);
    mirror_square(rows(i), at, s_.n);
  }

  // body(first row) of the panels of one side of a tile.
  template <class Body>
  void for_panels(int64_t side, Body&& body) const {
    for (int64_t p = side * kTilePanels; p < std::min(panels_, (side + 1) * kTilePanels); ++p)
      body(p * kPanel);
  }
  int64_t rows(int64_t i) const { return std::min<int64_t>(kPanel, s_.n - i); }
  float* packed(int64_t matrix, int64_t i, int64_t depth) const {
    return packed_ + matrix * matrix_ + i * depth;
  }

  const SymmetricProduct& op_;
  Stream& stream_;
  ProductSizes s_;
  int64_t panels_, factors_, depth_, matrix_, group_;
  float* packed_;
};

#endif

}  // namespace

// The elements on and below the diagonal, then their mirror: symmetric to the bit.
void symmetric_product(const SymmetricProduct& op, Stream& stream) {
  if (is_half(op.c.dtype))
    return visit_half(op.c.dtype, [&]<class T>() { by_halves<T>(op, stream); });
#ifdef __AVX2__
  if (op.c.dtype == Dtype::kF32) return Panels(op, stream).run();
#endif
  visit(op.c.dtype, [&]<class T>() { by_tiles<T>(op, stream); });
}
ORTHOKIT_KERNEL(SymmetricProduct, symmetric_product);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
