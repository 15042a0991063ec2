// A product of f32 or f64 matrices by the thread that asks for it, for which packing is too much.
#pragma once
#include "cpu/kernels/products/shared/product_way.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The memory that it works with, some 100 KB, is of the stack.
template <class T>
void small_product(const ProductWay& way, int64_t inner, const RowFactor<T>& left,
                   const RowFactor<T>& right, const RowResult<T>& to);

// On and below the diagonal, and some numbers above it.
template <class T>
void small_triangle(int64_t inner, const RowFactor<T>& left, const RowFactor<T>& right,
                    const RowResult<T>& to);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
