// The arithmetic of a weight, and results under its shape.
#pragma once
#include "core/op.h"

namespace orthokit {

// The dtype that a step of this weight computes in.
inline Dtype arithmetic_dtype(const View& weight) {
  return weight.dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32;
}

// A view of the same elements, under the shape of `like`.
inline View shaped(const View& x, View like) {
  like.dtype = x.dtype, like.data = x.data;
  return like;
}

}  // namespace orthokit
