#include "ops/quantized/quantized_gemm.h"

#include <algorithm>
#include <span>

#include "bench/reference/quantized/shared/unpacked.h"
#include "bench/reference/shared/inner_product.h"

namespace orthokit::bench {

static std::vector<double> matrix_in(const QuantizedGemm& op) {
  return unpacked(op.codes, op.scales, op.bits, op.rows(), op.columns());
}

// a, or what it is rounded to: by the arithmetic in f32 that the operation is defined by.
static std::vector<double> left_in(const QuantizedGemm& op) {
  std::vector<double> a(values(op.a), values(op.a) + op.a.size());
  const int64_t group = op.matrix().group;
  for (size_t begin = 0; op.is_rounded() && begin < a.size(); begin += size_t(group)) {
    const std::span<double> own(&a[begin], size_t(group));
    float most = 0;
    bool is_finite = true;
    for (double x : own) {
      most = std::max(most, float(std::abs(x)));
      is_finite = is_finite && std::isfinite(x);
    }
    const float scale = is_finite ? most / 127.0f : NAN;
    for (double& x : own) {
      const float level = scale == 0 ? 0 : std::nearbyint(float(x) / scale);
      x = double(std::min(127.0f, std::max(-127.0f, level))) * double(scale);
      if (!is_finite) x = NAN;
    }
  }
  return a;
}

// The inner product that is element (i, j) of a · op(w).
static InnerProduct product_of(const QuantizedGemm& op, const std::vector<double>& a,
                               const std::vector<double>& w, int64_t i, int64_t j) {
  const int64_t inner = op.inner(), columns = op.columns();
  const bool forward = op.trans_b == Transpose::kTransposed;
  return {a.data() + i * inner, 1, w.data() + (forward ? j * columns : j), forward ? 1 : columns,
          inner};
}

static void quantized_gemm(const QuantizedGemm& op) {
  const std::vector<double> a = left_in(op), w = matrix_in(op);
  double* c = values(op.c);
  const int64_t columns = op.c.shape[1];
  for (int64_t i = 0; i < op.c.shape[0]; ++i)
    for (int64_t j = 0; j < columns; ++j, ++c)
      *c = product_of(op, a, w, i, j).sum() + (op.beta == 0 ? 0 : op.beta * *c) +
           (op.bias ? values(op.bias)[j] : 0);
}
ORTHOKIT_REFERENCE(QuantizedGemm, quantized_gemm, product_growth(op.inner()));

// The sum of products, and what is added to it, which is what the result has besides.
static std::vector<double> terms_of(const QuantizedGemm& op, std::string_view) {
  const std::vector<double> a = left_in(op), w = matrix_in(op);
  const int64_t columns = op.c.shape[1];
  std::vector<double> all;
  for (int64_t at = 0; at < op.c.size(); ++at) {
    const InnerProduct product = product_of(op, a, w, at / columns, at % columns);
    const double bias = op.bias ? values(op.bias)[at % columns] : 0;
    const double old = values(op.c)[at] - product.sum() - bias;
    all.push_back(product.terms() + terms_of_added(old, growth_of(op)) +
                  terms_of_added(bias, growth_of(op)));
  }
  return all;
}
ORTHOKIT_ALL_TERMS(QuantizedGemm, terms_of);

}  // namespace orthokit::bench
