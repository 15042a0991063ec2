#include "ops/elementwise/linear_combination.h"

#include "cpu/chunks.h"
#include "cpu/factor.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static void combine(T* out, const LinearCombination& op, const double* coefficients,
                    const Chunk& c) {
  constexpr int64_t kPart = 512;  // stays in L1 while the terms are added
  const auto term = [&](int64_t j) {
    return op.terms[j * op.out.count + c.tensor].as<T>() + c.begin;
  };
  for (int64_t at = 0; at < c.size; at += kPart) {
    const int64_t n = std::min(kPart, c.size - at);
    T sum[kPart];
    const T first = T(coefficients[0]), *x = term(0) + at;
    for (int64_t i = 0; i < n; ++i) sum[i] = first * x[i];
    for (int64_t j = 1; j < op.coefficients.count; ++j) {
      const T factor = T(coefficients[j]), *y = term(j) + at;
      for (int64_t i = 0; i < n; ++i) sum[i] += factor * y[i];
    }
    std::copy_n(sum, n, out + c.begin + at);
  }
}

void linear_combination(const LinearCombination& op, Stream& stream) {
  auto* coefficients = stream.scratch<double>(op.coefficients.count);
  for (int64_t j = 0; j < op.coefficients.count; ++j)
    coefficients[j] = value_of(op.coefficients[j]);
  const Chunks chunks(op.out, stream);
  chunks.run([&](const Chunk& c) {
    visit(op.out[c.tensor].dtype,
          [&]<class T>() { combine(op.out[c.tensor].as<T>(), op, coefficients, c); });
  });
}
ORTHOKIT_KERNEL(LinearCombination, linear_combination);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
