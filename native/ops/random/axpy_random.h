#pragma once
#include <limits>

#include "ops/random/random.h"

namespace orthokit {

struct AxpyRandom {
  static constexpr const char *name = "axpy_random",
                              *summary = "out = x + Σ factor · z, of random z that are not stored";
  static constexpr const char* about = R"(
  outᵉ = max(least, xᵉ + Σⱼ factorsⱼ · zⱼᵉ), where zⱼ are the numbers that `random` draws of the same
  seed, offset and distribution, 'normal' or 'rademacher', and of stream + j: the elements of the list
  are numbered through, and no split of it changes a value. out may be x. floored += the number of
  elements that `least` has raised; NaN stays.
  Numerics: z in x's dtype, as `random` gives it; products and sums in f64, rounded once.
  Traffic: one read of x, one write of out.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43],f32[31],f32[0] out=f32[597x43],f32[31],f32[0] factors=0.5,-2 seed=1",
      "x=f64[4097] out=f64[4097] factors=1 seed=2 offset=3 stream=1",
      "x=f16[597],f16[31] out=f16[597],f16[31] factors=0.25 seed=4 offset=5",
      "x=bf16[4097] out=bf16[4097] factors=3,1,2 seed=5 offset=1 distribution=rademacher",
      "x=f32[597] out=f32[597] factors=1 seed=6 least=-0.5 floored=f64[1] distribution=rademacher"};
  static constexpr const char* cases[] = {
      "x=f32[4096x64],f32[4096x64] out=f32[4096x64],f32[4096x64] factors=0.001 seed=1",
      "x=f32[8192x1024] out=f32[8192x1024] factors=0.001 seed=1",
      "x=f32[8192x1024] out=f32[8192x1024] factors=0.001 seed=1 distribution=rademacher"};
  List<View> x, out;
  List<double> factors;
  View floored;
  int64_t seed = 0, offset = 0, stream = 0;
  Distribution distribution = Distribution::kNormal;
  double least = -std::numeric_limits<double>::max();

  void fields(Fields& f) {
    f.in("x", x, kMayAlias), f.out("out", out, kMayAlias), f.value("factors", factors);
    f.inout("floored", floored, kOptional);
    f.value("seed", seed), f.value("offset", offset), f.value("stream", stream);
    f.value("distribution", distribution), f.value("least", least);
  }
  double flops() const {
    const Random one{.x = x, .seed = seed, .distribution = distribution};
    return double(factors.count) * one.flops();
  }
  void check(auto require) const {
    require(distribution == Distribution::kNormal || distribution == Distribution::kRademacher,
            ErrorCode::kArgument, "distribution must be normal or rademacher",
            double(int(distribution)));
    Random{.x = x, .seed = seed, .offset = offset, .stream = stream, .distribution = distribution}
        .check(require);
    require(out.count == x.count, ErrorCode::kShape, "out must have as many tensors as x",
            double(out.count));
    for (int64_t i = 0; i < x.count; ++i) {
      require(out[i].dtype == x[i].dtype, ErrorCode::kDtype, "out must have the dtypes of x",
              out[i]);
      require(same_shape(out[i], x[i]), ErrorCode::kShape, "out must have the shapes of x", out[i],
              "x", x[i]);
    }
    if (floored) require.array("floored must be f64[1]", floored, Dtype::kF64, 1);
  }
};

}  // namespace orthokit
