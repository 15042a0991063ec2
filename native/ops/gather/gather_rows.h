#pragma once
#include "ops/gather/shared/index.h"

namespace orthokit {

struct GatherRows {
  static constexpr const char *name = "gather_rows", *summary = "out = rows of x by index";
  static constexpr const char* about = R"(
  outᵢ = x[indexᵢ], where a row is all that follows the first axis: mini-batches, embeddings. The
  index may have several axes, which stand in out before those of a row.
  Numerics: bits are copied. An index outside 0 … n − 1 gives a row of NaN, of 0 for integers;
  nothing outside x is read.
  Traffic: one read of the rows in index, one write of out.
  )";
  static constexpr const char* examples[] = {"x=f32[597x43] index=i32[128] out=f32[128x43]",
                                             "x=i32[31] index=i32[4097] out=i32[4097]",
                                             "x=bf16[5x3x7] index=i32[33] out=bf16[33x3x7]",
                                             "x=f32[31x43] index=i32[3x5] out=f32[3x5x43]"};
  static constexpr const char* cases[] = {"x=f32[10000x784] index=i32[8192] out=f32[8192x784]",
                                          "x=f32[10000x784] index=i32[128] out=f32[128x784]"};
  View x, index, out;

  int64_t row_size() const {
    int64_t n = 1;
    for (int i = 1; i < x.rank; ++i) n *= x.shape[i];
    return n;
  }
  double bytes() const { return double(bytes_in(index) + 2 * bytes_in(out)); }
  void fields(Fields& f) { f.in("x", x), f.in("index", index), f.out("out", out); }
  void check(auto require) const {
    require(x.rank >= 1, ErrorCode::kShape, "x must have rows", x);
    require(index.dtype == Dtype::kI32, ErrorCode::kDtype, "index must be i32", index);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(fits_index(out, index, x), ErrorCode::kShape,
            "out must have one row of x an element of index", out, "x", x, "index", index);
  }
};

}  // namespace orthokit
