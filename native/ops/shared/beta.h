// Operations that set their result or add it to what is there.
#pragma once
#include "core/op.h"

namespace orthokit {

inline void check_beta(auto require, double beta) {
  require(beta == 0 || beta == 1, ErrorCode::kArgument, "beta must be 0 or 1", beta);
}
// Traffic of a result: it is read where it is added to.
inline double bytes_of_result(const View& out, double beta) {
  return (beta == 0 ? 1 : 2) * double(bytes_in(out));
}

}  // namespace orthokit
