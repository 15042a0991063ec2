#include "ops/network/layer_norm_backward.h"

#include <algorithm>

#include "cpu/chunks.h"
#include "cpu/kernels/network/shared/row_bands.h"
#include "cpu/kernels/network/shared/row_moments.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Eight elements, or one, as doubles.
template <class V, class T>
static void load_doubles(const T* from, V& to) {
  if constexpr (std::is_same_v<V, double>)
    to = double(*from);
  else
    load_eight(from, to);
}
static void add_fused(double& sum, double a, double b) { sum = fused(a, b, sum); }
static void add_fused(Eight& sum, const Eight& a, const Eight& b) { multiply_add(a, b, sum, sum); }
static void store_doubles(double value, double* to) { *to = value; }
static void store_doubles(const Eight& values, double* to) { store_eight(values, to); }

struct RowMeans {
  double inner, with_normal;  // mean(g), mean(g ⊙ h)
};

// The means of some rows that follow each other; adds to the sums of the columns, which are read
// and written once for all of these rows.
template <int rows, class T>
static void add_rows(const T* grad, const T* x, const T* weight, int64_t n, const Moments* moments,
                     double* by_weight, double* by_bias, RowMeans* means) {
  const auto take = [&]<class V>(int64_t j, V* inner, V* product) {
    V w{}, weight_sum, bias_sum;
    load_doubles(by_weight + j, weight_sum), load_doubles(by_bias + j, bias_sum);
    if (weight) load_doubles(weight + j, w);
#pragma GCC unroll 4
    for (int i = 0; i < rows; ++i) {
      V g, h;
      load_doubles(grad + i * n + j, g), load_doubles(x + i * n + j, h);
      h = (h - moments[i].mean) * moments[i].inverse;
      add_fused(weight_sum, g, h), bias_sum += g;
      if (weight) g *= w;
      inner[i] += g, add_fused(product[i], g, h);
    }
    store_doubles(weight_sum, by_weight + j), store_doubles(bias_sum, by_bias + j);
  };
  Eight inners[rows] = {}, products[rows] = {};
  double inner[rows] = {}, product[rows] = {};
  int64_t j = 0;
  for (; j + 8 <= n; j += 8) take(j, inners, products);
  for (; j < n; ++j) take(j, inner, product);
  for (int i = 0; i < rows; ++i) {
    means[i] = {(inner[i] + total_of(inners[i])) / double(n),
                (product[i] + total_of(products[i])) / double(n)};
  }
}

// rᵢ (g − mean(g) − h mean(g ⊙ h)) as A, with h = (x − mean) r: the factor of x − mean is rounded
// once, and r is in two parts.
template <class A>
struct Gradient {
  InParts<A> mean, inverse;
  A slope, shift;
  Gradient(const Moments& m, const RowMeans& means)
      : mean(m.mean),
        inverse(m.inverse),
        slope(A(slope_of(m, means))),
        shift(A(kInParts ? means.inner - double(mean.low) * slope_of(m, means) : means.inner)) {}
  // A double has no second part, whose zero must not meet an infinite gradient.
  static constexpr bool kInParts = !std::is_same_v<A, double>;
  static double slope_of(const Moments& m, const RowMeans& means) {
    return means.with_normal * m.inverse;
  }
  A operator()(A grad, A weight, A x) const {
    const A inner = fused(mean.high - x, slope, fused(grad, weight, -shift));
    return kInParts ? fused(inner, inverse.high, inner * inverse.low) : inner * inverse.high;
  }
};

template <class T, class A>
static void row_gradient(const T* grad, const T* x, const T* weight, int64_t n,
                         Gradient<A> gradient, bool adds, T* grad_x) {
  const auto run = [&](auto&& result) {
    if (adds)
      for (int64_t j = 0; j < n; ++j) grad_x[j] += result(j);
    else
      for (int64_t j = 0; j < n; ++j) grad_x[j] = result(j);
  };
  if (weight)
    run([=](int64_t j) { return T(gradient(A(grad[j]), A(weight[j]), A(x[j]))); });
  else
    run([=](int64_t j) { return T(gradient(A(grad[j]), A(1), A(x[j]))); });
}

template <class T>
static void layer_norm_backward(const LayerNormBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  const RowBands split(rows, columns);  // each with its own sums over columns
  const int64_t height = split.height, bands = split.count;
  auto* sums = stream.scratch<double>(2 * bands * columns);
  const T* weight = op.weight.as<T>();
  stream.parallel(bands, [&](int64_t band) {
    double *by_weight = sums + 2 * band * columns, *by_bias = by_weight + columns;
    std::fill_n(by_weight, 2 * columns, 0.0);
    const auto take = [&]<int count>(int64_t first, std::integral_constant<int, count>) {
      const int64_t at = first * columns;
      const T *grad = op.grad.as<T>() + at, *x = op.x.as<T>() + at;
      Moments moments[count];
      RowMeans means[count];
      for (int i = 0; i < count; ++i) moments[i] = moments_of(x + i * columns, columns, op.eps);
      add_rows<count>(grad, x, weight, columns, moments, by_weight, by_bias, means);
      for (int i = 0; i < count; ++i) {
        const auto run = [&](auto gradient) {
          row_gradient(grad + i * columns, x + i * columns, weight, columns, gradient,
                       op.beta_x != 0, op.grad_x.as<T>() + at + i * columns);
        };
        const double slope = Gradient<double>::slope_of(moments[i], means[i]);
        if (kFusedFloats<T> && fits_float(moments[i].inverse) && fits_float(slope))
          run(Gradient<T>(moments[i], means[i]));
        else
          run(Gradient<double>(moments[i], means[i]));
      }
    };
    const int64_t last = std::min(rows, (band + 1) * height);
    int64_t i = band * height;
    for (; i + 2 <= last; i += 2) take(i, std::integral_constant<int, 2>());
    for (; i < last; ++i) take(i, std::integral_constant<int, 1>());
  });
  const View* outs[] = {&op.grad_weight, &op.grad_bias};
  for (int64_t k = 0; k < 2; ++k) {
    if (!*outs[k]) continue;
    // Band after band: down a column, every step would meet the same set of the cache.
    for (int64_t band = 1; band < bands; ++band)
      for (int64_t j = 0; j < columns; ++j)
        sums[k * columns + j] += sums[(2 * band + k) * columns + j];
    const bool adds = (k == 0 ? op.beta_weight : op.beta_bias) != 0;
    T* out = outs[k]->as<T>();
    for (int64_t j = 0; j < columns; ++j) {
      const T result = bands == 0 ? T(0) : T(sums[k * columns + j]);
      out[j] = adds ? out[j] + result : result;
    }
  }
}

void layer_norm_backward(const LayerNormBackward& op, Stream& stream) {
  visit(op.x.dtype, [&]<class T>() { layer_norm_backward<T>(op, stream); });
}
ORTHOKIT_WIDE_KERNEL(LayerNormBackward, layer_norm_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
