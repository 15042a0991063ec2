// Products of small matrices, or of parts of large ones, by the thread that asks for them.
#pragma once
#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// c = alpha op(a) op(b) + beta c, c m × n, of f32 or f64; beta = 0 does not read c. The memory that
// it works with, some 100 KB, is of the stack. kernels/products/shared/product.cpp has it.
template <class T>
void product(bool ta, bool tb, int64_t m, int64_t n, int64_t k, T alpha, const T* a, int64_t lda,
             const T* b, int64_t ldb, T beta, T* c, int64_t ldc);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
