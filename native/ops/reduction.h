// What a row or a column of a matrix is reduced to.
#pragma once
#include "core/op.h"

namespace orthokit {

enum class Reduction : int32_t { kSum, kMean, kMax, kSumOfSquares };
inline Words words(Reduction) {
  static constexpr const char* list[] = {"sum", "mean", "max", "sum_of_squares"};
  return list;
}

}  // namespace orthokit
