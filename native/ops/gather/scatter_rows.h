#pragma once
#include "ops/gather/shared/index.h"
#include "ops/shared/beta.h"

namespace orthokit {

enum class ScatterMode : int32_t { kAdd, kSet };
inline Words words(ScatterMode) {
  static constexpr const char* list[] = {"add", "set"};
  return list;
}

struct ScatterRows {
  static constexpr const char *name = "scatter_rows",
                              *summary = "rows of out by index: add or set rows of x";
  static constexpr const char* about = R"(
  mode add: out = beta · out, out[indexᵢ] += xᵢ, beta 0 or 1 and 1 if it is not given; mode set:
  out[indexᵢ] = xᵢ; where a row is all that follows the
  first axis: the gradient of gather_rows, codebooks. The index may have several axes, which stand
  in x before those of a row. Other rows of out stay as they are, or are 0
  where beta is.
  Numerics: an index that stands several times adds its rows to out's in their order, in f64,
  rounded once; of several that set, the last remains, its bits copied. An index outside 0 … n − 1
  is passed over; nothing outside out is written.
  Traffic: one read of x and index; adding reads and writes the rows in index, setting writes them.
  )";
  static constexpr const char* examples[] = {"out=f32[597x43] index=i32[128] x=f32[128x43]",
                                             "out=f64[31x5] index=i32[4097] x=f64[4097x5]",
                                             "out=bf16[33x3x7] index=i32[65] x=bf16[65x3x7]",
                                             "out=i32[31] index=i32[4097] x=i32[4097] mode=set",
                                             "out=f32[31x43] index=i32[3x5] x=f32[3x5x43]",
                                             "out=f32[597x43] index=i32[128] x=f32[128x43] beta=0"};
  static constexpr const char* cases[] = {
      "out=f32[10000x784] index=i32[8192] x=f32[8192x784]",
      "out=f32[10000x784] index=i32[8192] x=f32[8192x784] mode=set",
      "out=f32[64x784] index=i32[32] x=f32[32x784]"};
  View out, index, x;
  ScatterMode mode = ScatterMode::kAdd;
  double beta = 1;

  int64_t row_size() const {
    int64_t n = 1;
    for (int i = 1; i < out.rank; ++i) n *= out.shape[i];
    return n;
  }
  double flops() const { return mode == ScatterMode::kAdd ? double(x.size()) : 0; }
  double bytes() const {
    if (beta == 0) return double(bytes_in(index) + bytes_in(x) + bytes_in(out));
    return double(bytes_in(index) + (mode == ScatterMode::kAdd ? 3 : 2) * bytes_in(x));
  }
  void fields(Fields& f) {
    f.inout("out", out), f.in("index", index), f.in("x", x), f.value("mode", mode);
    f.value("beta", beta);
  }
  void check(auto require) const {
    check_beta(require, beta);
    require(beta == 1 || mode == ScatterMode::kAdd, ErrorCode::kArgument,
            "beta must be 1 where rows are set", beta);
    require(out.rank >= 1, ErrorCode::kShape, "out must have rows", out);
    require(mode == ScatterMode::kSet || is_floating(out), ErrorCode::kDtype,
            "out must be floating to add", out);
    require(index.dtype == Dtype::kI32, ErrorCode::kDtype, "index must be i32", index);
    require(x.dtype == out.dtype, ErrorCode::kDtype, "x must have out's dtype", x);
    require(fits_index(x, index, out), ErrorCode::kShape,
            "x must have one row of out an element of index", x, "out", out, "index", index);
  }
};

}  // namespace orthokit
