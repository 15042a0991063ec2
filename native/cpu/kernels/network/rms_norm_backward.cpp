#include "ops/network/rms_norm_backward.h"

#include "cpu/fused.h"
#include "cpu/kernels/network/shared/row_bands.h"
#include "cpu/kernels/network/shared/row_scale.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct RowGradient {
  double inverse, slope;  // 1 / √(mean(x²) + eps), and mean(g ⊙ h) of that
};

// inverse · (grad weight − x slope) + beta · out, as A.
template <class A, class T>
static void add_gradient(const RowGradient& row, const T* grad, const T* x, const T* weight,
                         int64_t n, double beta, T* out) {
  const A inverse = A(row.inverse), slope = A(row.slope), factor = A(beta);
  const auto gradient = [=](int64_t j, A g) { return inverse * fused(-A(x[j]), slope, g); };
  const auto run = [&](auto&& of) {
    if (beta == 0)
      for (int64_t j = 0; j < n; ++j) out[j] = T(gradient(j, of(j)));
    else
      for (int64_t j = 0; j < n; ++j) out[j] = T(fused(factor, A(out[j]), gradient(j, of(j))));
  };
  if (weight)
    run([=](int64_t j) { return A(grad[j]) * A(weight[j]); });
  else
    run([=](int64_t j) { return A(grad[j]); });
}

template <class T>
static void row_backward(const RmsNormBackward& op, int64_t at, int64_t columns, double* sums) {
  T grads[kBlock], xs[kBlock], weights[kBlock], results[kBlock];
  const auto for_loaded = [&](auto&& body) {
    for_blocks(columns, [&](int64_t j, int64_t n) {
      const T* weight = op.weight ? load(op.weight, j, n, weights) : nullptr;
      body(j, n, load(op.grad, at + j, n, grads), load(op.x, at + j, n, xs), weight);
    });
  };
  const double inverse = inverse_root<T>(op.x, at, columns, op.eps);
  if (op.grad_weight)
    for_loaded([&](int64_t j, int64_t n, const T* grad, const T* x, const T*) {
      for (int64_t k = 0; k < n; ++k) sums[j + k] += double(grad[k]) * (double(x[k]) * inverse);
    });
  if (!op.grad_x) return;
  double product = 0;
  for_loaded([&](int64_t, int64_t n, const T* grad, const T* x, const T* weight) {
    product +=
        weight
            ? sum_of(n,
                     [=](int64_t k) { return double(grad[k]) * double(weight[k]) * double(x[k]); })
            : sum_of(n, [=](int64_t k) { return double(grad[k]) * double(x[k]); });
  });
  const RowGradient row{inverse, product * inverse / double(columns) * inverse};
  const bool is_exact = is_exact_in_float(row.inverse) && is_exact_in_float(row.slope);
  for_loaded([&](int64_t j, int64_t n, const T* grad, const T* x, const T* weight) {
    T* out = target(op.grad_x, at + j, results);
    if (op.beta_x != 0 && out == results) load(op.grad_x, at + j, n, results);
    is_exact ? add_gradient<T>(row, grad, x, weight, n, op.beta_x, out)
             : add_gradient<double>(row, grad, x, weight, n, op.beta_x, out);
    store(op.grad_x, at + j, n, static_cast<const T*>(out));
  });
}

void rms_norm_backward(const RmsNormBackward& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  const RowBands bands(rows, columns);
  const int64_t size = op.grad_weight ? columns : 0;
  auto* sums = stream.scratch<double>(std::max<int64_t>(1, bands.count) * size);
  bands.run(stream, sums, size, [&](int64_t row, double* own) {
    op.x.dtype == Dtype::kF64 ? row_backward<double>(op, row * columns, columns, own)
                              : row_backward<float>(op, row * columns, columns, own);
  });
  if (op.grad_weight) add_bands(bands.count, size, sums, op.grad_weight, op.beta_weight);
}
ORTHOKIT_KERNEL(RmsNormBackward, rms_norm_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
