#pragma once
#include "core/op.h"

namespace orthokit {

struct Dropout {
  static constexpr const char *name = "dropout",
                              *summary = "elements at random by 0, the others divided by 1 - rate";
  static constexpr const char* about = R"(
  outₑ = xₑ / (1 − rate) + beta · outₑ where uₑ ≥ rate, else beta · outₑ (Srivastava et al. 2014), where
  uₑ is number offset + e of the uniform ones in f32 that `random` draws from (seed, stream), whatever
  the dtype of x. So no split of the work changes a bit, and the gradient is this operation on that of
  out, with the same numbers: no mask is kept. out may be x. A beta of 0 does not read out.
  Numerics: a product with 1 / (1 − rate) in f32, f64 where x is. An element that is dropped counts as
  0, be it NaN or infinite.
  Traffic: one read of x, one write of out.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] out=f32[597x43] rate=0.1 seed=1",
      "x=f64[4097] out=f64[4097] rate=0.5 seed=2 offset=3 stream=1",
      "x=f32[4097] out=f32[4097] rate=0.75 seed=3 offset=2 beta=1",
      "x=f16[31x33] out=f16[31x33] rate=0.3 seed=4 offset=5 beta=-0.5",
      "x=bf16[1028] out=bf16[1028] rate=0.2 seed=5 offset=1",
      "x=f32[33] out=f32[33] seed=6"};
  static constexpr const char* cases[] = {"x=f32[8192x1024] out=f32[8192x1024] rate=0.1 seed=1",
                                          "x=f32[64x1024] out=f32[64x1024] rate=0.1 seed=1",
                                          "x=bf16[8192x1024] out=bf16[8192x1024] rate=0.1 seed=1"};
  View x, out;
  double rate = 0, beta = 0;
  int64_t seed = 0, offset = 0, stream = 0;

  // Words whose upper 24 bits are below this are dropped.
  uint32_t threshold() const {
    const double numbers = rate * 0x1p24;
    const auto whole = uint32_t(numbers);
    return whole + (double(whole) < numbers ? 1 : 0);
  }
  void fields(Fields& f) {
    f.in("x", x), f.inout("out", out, kMayAlias), f.value("rate", rate), f.value("seed", seed);
    f.value("offset", offset), f.value("stream", stream), f.value("beta", beta);
  }
  double flops() const { return 21 * double(x.size()); }  // 20 of them for a word of `random`
  double bytes() const { return double(bytes_in(x) + (beta == 0 ? 1 : 2) * bytes_in(out)); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
    require(rate >= 0 && rate < 1, ErrorCode::kArgument, "rate must be in [0, 1)", rate);
    require(seed >= 0, ErrorCode::kArgument, "seed must not be negative", double(seed));
    require(stream >= 0, ErrorCode::kArgument, "stream must not be negative", double(stream));
    require(offset >= 0, ErrorCode::kArgument, "offset must not be negative", double(offset));
    require(offset <= (int64_t(1) << 62) - x.size(), ErrorCode::kArgument,
            "offset must leave all elements below 2^62", double(offset));
  }
};

}  // namespace orthokit
