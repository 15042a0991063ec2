#include "ops/elementwise/linear_combination.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/factor.h"
#include "cpu/kernels/elementwise/shared/add_terms.h"
#include "cpu/streaming.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void combine(const LinearCombination& op, const double* coefficients, const Chunk& c) {
  static_assert(LinearCombination::kMaxTerms == 8);
  const View& view = op.out[c.tensor];
  T* out = view.as<T>() + c.begin;
  T factors[LinearCombination::kMaxTerms];
  const T* x[LinearCombination::kMaxTerms];
  bool streams = streams_to(view, out);
  for (int64_t j = 0; j < op.coefficients.count; ++j) {
    factors[j] = T(coefficients[j]);
    x[j] = op.terms[j * op.out.count + c.tensor].as<T>() + c.begin;
    streams = streams && x[j] != out;
  }
  add_terms(op.coefficients.count, x, factors, out, c.size, streams);
}

// 16 bits, block by block through the loop of f32: rounded once.
static void combine_halves(const LinearCombination& op, const double* coefficients,
                           const Chunk& c) {
  alignas(kLine) float blocks[LinearCombination::kMaxTerms][kBlock];
  float factors[LinearCombination::kMaxTerms];
  const float* x[LinearCombination::kMaxTerms];
  const int64_t terms = op.coefficients.count;
  for (int64_t j = 0; j < terms; ++j) factors[j] = float(coefficients[j]), x[j] = blocks[j];
  for (int64_t i = 0; i < c.size; i += kBlock) {
    const int64_t at = c.begin + i, n = std::min(kBlock, c.size - i);
    for (int64_t j = 0; j < terms; ++j)
      load(op.terms[j * op.out.count + c.tensor], at, n, blocks[j]);
    add_terms_of<float, 0>(terms, x, factors, blocks[0], n, false);
    store<float>(op.out[c.tensor], at, n, blocks[0]);
  }
}

void linear_combination(const LinearCombination& op, Stream& stream) {
  auto* coefficients = stream.scratch<double>(op.coefficients.count);
  for (int64_t j = 0; j < op.coefficients.count; ++j)
    coefficients[j] = value_of(op.coefficients[j]);
  const Chunks chunks(op.out, stream);
  chunks.run([&](const Chunk& c) {
    const Dtype dtype = op.out[c.tensor].dtype;
    if (is_half(dtype)) return combine_halves(op, coefficients, c);
    visit(dtype, [&]<class T>() { combine<T>(op, coefficients, c); });
  });
}
ORTHOKIT_KERNEL(LinearCombination, linear_combination);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
