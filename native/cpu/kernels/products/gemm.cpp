#include "ops/products/gemm.h"

#include "cpu/convert.h"
#include "cpu/kernels/products/shared/half_product.h"
#include "cpu/kernels/products/shared/product_way.h"
#include "cpu/kernels/products/shared/row_product.h"
#include "cpu/kernels/products/shared/small_product.h"

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

template <class T>
void by_thin_parts(Stream& stream, int64_t batch, int64_t terms, const RowFactor<T>& few,
                   const RowFactor<T>& many, const RowResult<T>& to) {
  const int64_t deep = std::max<int64_t>(1, terms), most = rows_of_part<T>(deep, few.rows),
                parts = parts_of(many.rows, most),
                products = few.rows * std::min(most, many.rows) * deep;
  in_groups(stream, batch * parts, kLeastProducts / std::max<int64_t>(1, products),
            [&](int64_t part) {
              const int64_t matrix = part / parts, at = part % parts * most;
              RowFactor<T> own = few, some = many;
              own.data += matrix * few.matrix;
              some.data = many.at(at, 0) + matrix * many.matrix;
              some.rows = std::min(most, many.rows - at);
              thin_product<T>(terms, own, some, to.from(matrix, 0, at));
            });
}

template <class T>
void by_rows(const Gemm& op, Stream& stream) {
  const Sizes s(op);
  if (op.c.size() == 0) return;
  const Added<T> added(op);
  const int64_t terms = op.alpha == 0 ? 0 : s.k;
  const RowFactor<T> left{op.a.as<T>(), s.m, s.lda, s.m * s.k, s.ta};
  RowFactor<T> right{op.b.as<T>(), s.n, s.ldb, s.k * s.n, !s.tb};
  RowResult<T> to{T(op.alpha), T(op.beta), added.old, added.bias, op.c.as<T>(), s.n, s.m * s.n};
  const ProductWay way = product_way<T>(terms, left, right);
  if (const int64_t products = s.m * s.n * std::max<int64_t>(1, terms); products <= kLeastProducts)
    return in_groups(stream, s.batch, kLeastProducts / products, [&](int64_t i) {
      RowFactor<T> a = left, b = right;
      a.data += i * a.matrix, b.data += i * b.matrix;
      small_product<T>(way, terms, a, b, to.from(i, 0, 0));
    });
  if (way.rest) {
    const int64_t first = s.n - way.rest;
    RowFactor<T> rest = right;
    rest.data = right.at(first, 0), rest.rows = way.rest;
    RowResult<T> part = to.from(0, 0, first);
    part.is_turned = true;
    by_thin_parts<T>(stream, s.batch, terms, rest, left, part);
    right.rows = first;
  }
  to.is_turned = way.is_turned;
  const RowFactor<T>&rows = way.is_turned ? right : left, &columns = way.is_turned ? left : right;
  if (way.is_thin) return by_thin_parts<T>(stream, s.batch, terms, rows, columns, to);
  RowProduct<T>(stream, s.batch, terms, rows, columns, to).run();
}

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
  visit(op.c.dtype, [&]<class T>() { by_rows<T>(op, stream); });
}
ORTHOKIT_KERNEL(Gemm, gemm);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
