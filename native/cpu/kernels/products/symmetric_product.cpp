#include "ops/products/symmetric_product.h"

#include "cpu/convert.h"
#include "cpu/kernels/products/shared/half_product.h"
#include "cpu/kernels/products/shared/row_product.h"
#include "cpu/kernels/products/shared/small_product.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

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
void by_rows(const SymmetricProduct& op, Stream& stream) {
  const ProductSizes s(op);
  if (op.c.size() == 0) return;
  const RowFactor<T> left{op.a.as<T>(), s.n, s.stride, s.elements(op.a), s.down};
  RowFactor<T> right = left;
  right.data = second_of(op).as<T>();
  const T* old = (op.addend ? op.addend : op.c).as<T>();
  const RowResult<T> to{T(op.alpha), T(op.beta), old, nullptr, op.c.as<T>(), s.n, s.n * s.n};
  const Mirror<T> mirror{T(op.diagonal)};
  const int64_t products = s.n * s.n * std::max<int64_t>(1, s.k);
  if (products > kLeastProducts)
    return RowProduct<T>(stream, s.batch, s.k, left, right, to, &mirror).run();
  in_groups(stream, s.batch, kLeastProducts / products, [&](int64_t i) {
    RowFactor<T> a = left, b = right;
    a.data += i * a.matrix, b.data += i * b.matrix;
    const RowResult<T> own = to.from(i, 0, 0);
    small_triangle<T>(s.k, a, b, own);
    mirror.finish({0, s.n}, {0, s.n}, own.c, s.n);
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

}  // namespace

// The elements on and below the diagonal, then their mirror: symmetric to the bit.
void symmetric_product(const SymmetricProduct& op, Stream& stream) {
  if (is_half(op.c.dtype))
    return visit_half(op.c.dtype, [&]<class T>() { by_halves<T>(op, stream); });
  visit(op.c.dtype, [&]<class T>() { by_rows<T>(op, stream); });
}
ORTHOKIT_KERNEL(SymmetricProduct, symmetric_product);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
