#include "ops/products/gemm.h"

#include "cpu/blas.h"
#include "cpu/convert.h"
#include "cpu/kernels/products/shared/half_product.h"
#include "cpu/kernels/products/shared/row_product.h"

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

// The s of the operation's formula, and the row of the bias.
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
        const auto finish = [&]<bool adds, bool biased> {
          for (int64_t r = 0; r < rows; ++r, sums += kPanel) {
            const int64_t at = (matrix * s.m + i + r) * s.n + j;
            const Stored *old = added.old + at, *bias = biased ? added.bias + j : nullptr;
            Stored* c = op.c.as<Stored>() + at;
#pragma GCC ivdep  // c may be what is added
            for (int64_t q = 0; q < columns; ++q) {
              float value = alpha * sums[q];
              if (adds) value += beta * convert<float>(old[q]);
              if (biased) value += convert<float>(bias[q]);
              c[q] = convert<Stored>(value);
            }
          }
        };
        const bool is_biased = added.bias != nullptr;
        if (beta == 0)
          is_biased ? finish.template operator()<false, true>()
                    : finish.template operator()<false, false>();
        else
          is_biased ? finish.template operator()<true, true>()
                    : finish.template operator()<true, false>();
      });
}

#ifdef __AVX2__

// OpenBLAS is faster for small products, and where few columns of a tile exist.
bool pays(const Sizes& s) {
  constexpr int64_t kLeast = 16, kFewProducts = 700'000, kLanes = kVectorSize<float>;
  const int64_t width = (s.n + kLanes - 1) / kLanes * kLanes;
  return std::min({s.m, s.n, s.k}) >= kLeast && 3 * width <= 4 * s.n &&
         s.m * s.n * s.k > kFewProducts;
}

void by_rows(const Gemm& op, Stream& stream) {
  const Sizes s(op);
  const Added<float> added(op);
  RowProduct(stream, s.batch, op.alpha == 0 ? 0 : s.k,
             {op.a.as<float>(), s.m, s.lda, s.m * s.k, s.ta},
             {op.b.as<float>(), s.n, s.ldb, s.k * s.n, !s.tb},
             {float(op.alpha), float(op.beta), added.old, added.bias, op.c.as<float>()})
      .run();
}

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
  if (op.c.dtype == Dtype::kF32 && pays(Sizes(op))) return by_rows(op, stream);
#endif
  visit(op.c.dtype, [&]<class T>() { by_blas<T>(op, stream); });
}
ORTHOKIT_KERNEL(Gemm, gemm);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
