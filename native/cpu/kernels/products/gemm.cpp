#include "ops/products/gemm.h"

#include "cpu/blas.h"
#include "cpu/convert.h"
#include "cpu/kernels/products/shared/half_product.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

struct Sizes {
  bool ta, tb;
  int64_t batch, m, n, k, lda, ldb;
  explicit Sizes(const Gemm& op)
      : ta(op.trans_a != Transpose::kNone), tb(op.trans_b != Transpose::kNone) {
    const Matrices s = matrices(op.c);
    batch = s.batch, m = s.rows, n = s.columns;
    k = op.inner(), lda = matrices(op.a).columns, ldb = matrices(op.b).columns;
  }
};

// What the product is added to: s of the operation's formula, and the row of the bias.
template <class T>
struct Added {
  const T *old, *bias;
  explicit Added(const Gemm& op)
      : old(op.addend ? op.addend.as<T>() : op.c.as<T>()),
        bias(op.bias ? op.bias.as<T>() : nullptr) {}
};

// c = beta old + bias, for `rows` × `columns` of it.
template <class T>
void begin_sums(T beta, const T* old, const T* bias, int64_t rows, int64_t columns, int64_t stride,
                T* c) {
  for (int64_t r = 0; r < rows; ++r, old += stride, c += stride)
    for (int64_t q = 0; q < columns; ++q)
      c[q] = (beta == 0 ? T(0) : beta * old[q]) + (bias ? bias[q] : T(0));
}

// Panels along the longer side of c, all matrices of the batch in one parallel region.
template <class T>
void by_blas(const Gemm& op, Stream& stream) {
  const Sizes s(op);
  const int64_t terms = op.alpha == 0 ? 0 : s.k;  // a BLAS may read a and b even then
  const bool by_rows = s.m >= s.n;
  const int64_t length = by_rows ? s.m : s.n, width = panel_of(length),
                panels = (length + width - 1) / width;
  const Added<T> added(op);
  const bool is_begun = op.addend || op.bias;
  stream.parallel(s.batch * panels, [&](int64_t part) {
    const int64_t batch = part / panels, at = part % panels * width,
                  size = std::min(width, length - at);
    const T* a = op.a.as<T>() + batch * s.m * s.k + (by_rows ? (s.ta ? at : at * s.lda) : 0);
    const T* b = op.b.as<T>() + batch * s.k * s.n + (by_rows ? 0 : (s.tb ? at * s.ldb : at));
    const int64_t place = batch * s.m * s.n + (by_rows ? at * s.n : at);
    const int64_t rows = by_rows ? size : s.m, columns = by_rows ? s.n : size;
    T* c = op.c.as<T>() + place;
    if (is_begun)
      begin_sums(T(op.beta), added.old + place,
                 added.bias && !by_rows ? added.bias + at : added.bias, rows, columns, s.n, c);
    blas_gemm<T>(s.ta, s.tb, rows, columns, terms, T(op.alpha), a, s.lda, b, s.ldb,
                 is_begun ? T(1) : T(op.beta), c, s.n);
  });
}

// Products of T, of tensors of `Stored`. The sums of the whole inner side, and what is added to
// them, are rounded once.
template <class T, class Stored = T>
void by_halves(const Gemm& op, Stream& stream) {
  const Sizes s(op);
  const HalfFactor<Stored> left{op.a.as<Stored>(), s.m, s.lda, s.m * s.k, s.ta},
      right{op.b.as<Stored>(), s.n, s.ldb, s.k * s.n, !s.tb};
  const float alpha = float(op.alpha), beta = float(op.beta);
  const Added<Stored> added(op);
  half_product<T>(
      stream, {s.batch, op.alpha == 0 ? 0 : s.k, false}, left, right,
      [&](int64_t matrix, int64_t i, int64_t j, int64_t rows, int64_t columns, const float* sums) {
        for (int64_t r = 0; r < rows; ++r, sums += kPanel) {
          const int64_t at = (matrix * s.m + i + r) * s.n + j;
          for (int64_t q = 0; q < columns; ++q) {
            float value = alpha * sums[q];
            if (beta != 0) value += beta * convert<float>(added.old[at + q]);
            if (added.bias) value += convert<float>(added.bias[j + q]);
            op.c.as<Stored>()[at + q] = convert<Stored>(value);
          }
        }
      });
}

#ifdef __AVX2__

constexpr int64_t kPackedElements = int64_t(1) << 22;  // of scratch memory, at most
// The least work of a chunk, so that taking it costs nothing beside it.
constexpr int64_t kLeastProducts = int64_t(1) << 19, kLeastCopies = int64_t(1) << 14;

int64_t parts_of(int64_t total, int64_t part) { return (total + part - 1) / part; }

// OpenBLAS multiplies small and narrow matrices without packing them.
bool pays(const Sizes& s) {
  return std::min({s.m, s.n, s.k}) >= kPanel && s.m * s.n * s.k > 1'000'000;
}

// A span of the inner side, of some matrices of the batch or of some panels of large ones, is
// packed at once, panels of both factors; then that part of the result is computed panel by panel.
class Panels {
 public:
  Panels(const Gemm& op, Stream& stream) : op_(op), stream_(stream), s_(op), added_(op) {
    if (op.alpha == 0) s_.k = 0;
    left_ = parts_of(s_.m, kPanel), right_ = parts_of(s_.n, kPanel);
    const int64_t k = std::max<int64_t>(1, s_.k);
    depth_ = parts_of(k, parts_of(k, kDepth));
    const int64_t most = kPackedElements / (kPanel * depth_);  // panels
    columns_ = std::min(right_, std::max(most / 2, most - left_));
    rows_ = std::min(left_, most - columns_);
    const int64_t slice = (rows_ + columns_) * kPanel;  // packed elements, one deep
    span_ = std::min(std::max<int64_t>(1, kPackedElements / (slice * depth_)) * depth_, k);
    matrix_ = slice * span_;
    group_ = std::clamp<int64_t>(kPackedElements / matrix_, 1, std::max<int64_t>(1, s_.batch));
    packed_ = stream.scratch<float>(group_ * matrix_);
  }

  void run() {
    for (int64_t first = 0; first < s_.batch; first += group_)
      for (int64_t k = 0; k == 0 || k < s_.k; k += span_)
        for (int64_t column = 0; column < right_; column += columns_)
          for (int64_t row = 0; row < left_; row += rows_)
            run_part({first, std::min(group_, s_.batch - first), k, std::min(span_, s_.k - k), row,
                      std::min(rows_, left_ - row), column, std::min(columns_, right_ - column)});
  }

 private:
  struct Part {
    int64_t first, count;  // matrices of the batch
    int64_t k, span;       // of the inner side
    int64_t row, rows;     // panels of a
    int64_t column, columns;
  };

  void run_part(const Part& p) {
    // The right panels stay packed while the rows go by.
    const int64_t packed = p.row == 0 ? p.rows + p.columns : p.rows;
    in_groups(p.count * packed, kLeastCopies / (kPanel * std::max<int64_t>(1, p.span)),
              [&](int64_t i) { pack(p, i / packed, i % packed); });
    const int64_t tiles = p.rows * p.columns;
    in_groups(
        p.count * tiles, kLeastProducts / (kPanel * kPanel * std::max<int64_t>(1, p.span)),
        [&](int64_t i) { multiply(p, i / tiles, i % tiles / p.columns, i % tiles % p.columns); });
  }

  // body(i) for i < count, at least `group` in a row on one thread.
  template <class Body>
  void in_groups(int64_t count, int64_t group, Body&& body) const {
    group = std::max<int64_t>(1, group);
    stream_.parallel(parts_of(count, group), [&](int64_t part) {
      for (int64_t i = part * group; i < std::min(count, (part + 1) * group); ++i) body(i);
    });
  }

  void pack(const Part& p, int64_t slot, int64_t panel) const {
    const int64_t batch = p.first + slot;
    if (panel < p.rows) {
      const int64_t i = (p.row + panel) * kPanel;
      const float* a =
          op_.a.as<float>() + batch * s_.m * s_.k + (s_.ta ? p.k * s_.lda + i : i * s_.lda + p.k);
      pack_panel(s_.ta, a, s_.lda, rows(i), p.span, left(slot, panel));
    } else {
      const int64_t at = panel - p.rows, j = (p.column + at) * kPanel;
      const float* b =
          op_.b.as<float>() + batch * s_.k * s_.n + (s_.tb ? j * s_.ldb + p.k : p.k * s_.ldb + j);
      pack_panel(!s_.tb, b, s_.ldb, columns(j), p.span, right(slot, at));
    }
  }

  void multiply(const Part& p, int64_t slot, int64_t row, int64_t column) const {
    const int64_t i = (p.row + row) * kPanel, j = (p.column + column) * kPanel;
    const float *a = left(slot, row), *b = right(slot, column);
    const int64_t place = (p.first + slot) * s_.m * s_.n + i * s_.n + j;
    float* c = op_.c.as<float>() + place;
    for (int64_t at = 0; at == 0 || at < p.span; at += depth_) {
      const bool is_first = p.k + at == 0;
      multiply_panels(std::min(depth_, p.span - at), a + at * kPanel, b + at * kPanel, rows(i),
                      columns(j), false, float(op_.alpha), is_first ? float(op_.beta) : 1,
                      is_first ? added_.old + place : c, c, s_.n);
    }
    if (added_.bias && p.k + p.span == s_.k)
      begin_sums(1.0f, c, added_.bias + j, rows(i), columns(j), s_.n, c);
  }

  int64_t rows(int64_t i) const { return std::min<int64_t>(kPanel, s_.m - i); }
  int64_t columns(int64_t j) const { return std::min<int64_t>(kPanel, s_.n - j); }
  float* left(int64_t slot, int64_t panel) const {
    return packed_ + slot * matrix_ + panel * kPanel * span_;
  }
  float* right(int64_t slot, int64_t panel) const { return left(slot, rows_ + panel); }

  const Gemm& op_;
  Stream& stream_;
  Sizes s_;
  const Added<float> added_;
  int64_t left_, right_;    // panels of a and of b
  int64_t rows_, columns_;  // those of them packed at once
  int64_t depth_, span_;    // elements in one running sum; elements packed at once
  int64_t matrix_, group_;  // packed elements of one matrix; matrices packed at once
  float* packed_;
};

#endif

}  // namespace

void gemm(const Gemm& op, Stream& stream) {
  if (op.inner() == 0 &&
      op.alpha != 0) {  // an alpha that f32 cannot hold is infinite: times 0, NaN
    Gemm rest = op;
    rest.alpha = 0;
    return gemm(rest, stream);
  }
  if (op.products == Products::kBf16) return by_halves<Bfloat16, float>(op, stream);
  if (op.products == Products::kF16) return by_halves<Half, float>(op, stream);
  if (is_half(op.c.dtype))
    return visit_half(op.c.dtype, [&]<class T>() { by_halves<T>(op, stream); });
#ifdef __AVX2__
  if (op.c.dtype == Dtype::kF32 && pays(Sizes(op))) return Panels(op, stream).run();
#endif
  visit(op.c.dtype, [&]<class T>() { by_blas<T>(op, stream); });
}
ORTHOKIT_KERNEL(Gemm, gemm);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
