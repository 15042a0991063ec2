// Matrices by their short side.
#pragma once
#include <algorithm>

#include "ops/products/symmetric_product.h"

namespace orthokit {

// The Gram matrix of the short side, and the products with it.
struct ShortSide {
  bool wide;
  int64_t n;
  explicit ShortSide(const View& y) {
    const Matrices s = matrices(y);
    wide = s.rows <= s.columns, n = std::min(s.rows, s.columns);
  }
  SymmetricProduct gram(const View& y, const View& out) const {
    return {.a = y, .c = out, .trans = wide ? Transpose::kNone : Transpose::kTransposed};
  }
  Gemm product(const View& factor, const View& y, const View& out) const {
    return {.a = wide ? factor : y, .b = wide ? y : factor, .c = out};
  }
};

}  // namespace orthokit
