// The arithmetic of a weight, its rounding, and results under its shape.
#pragma once
#include <initializer_list>

#include "core/op.h"

namespace orthokit {

// The dtype that a step of this weight computes in.
inline Dtype arithmetic_dtype(const View& weight) {
  return weight.dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32;
}

// Half the distance of neighbours, relative, of a floating type.
constexpr double rounding_unit(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF64:
      return 0x1p-53;
    case Dtype::kF16:
      return 0x1p-11;
    case Dtype::kBf16:
      return 0x1p-8;
    default:
      return 0x1p-24;
  }
}

// A view of the same elements, under the shape of `like`, or another one.
inline View shaped(const View& x, View like) {
  like.dtype = x.dtype, like.data = x.data;
  return like;
}
inline View shaped(const View& x, std::initializer_list<int64_t> shape) {
  View v = x;
  v.rank = 0;
  for (const int64_t side : shape) v.shape[v.rank++] = side;
  return v;
}

}  // namespace orthokit
