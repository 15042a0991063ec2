#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

enum class BatchMoments : int32_t { kBatch, kRunning };
inline Words words(BatchMoments) {
  static constexpr const char* list[] = {"batch", "running"};
  return list;
}

struct BatchNorm {
  static constexpr const char *name = "batch_norm",
                              *summary = "every column less its mean, by its standard deviation";
  static constexpr const char* about = R"(
  outᵢⱼ = (xᵢⱼ − mⱼ) rⱼ · weightⱼ + biasⱼ, rⱼ = 1 / √(vⱼ + eps) (Ioffe and Szegedy 2015, algorithm 1), for
  x [..., C]: images too, with channels last. Without a weight it is 1, without a bias 0. out may be
  x. By the word `using`:
    batch    m and v are mean and variance of the columns of x, and v is divided by the number of
             rows. mean and variance, where they are given, move on by the share `momentum`:
               mean = (1 − momentum) mean + momentum m,  variance likewise with v n / (n − 1).
             Into `moments` [2, C] go m and r, for batch_norm_backward.
    running  m and v are the tensors mean and variance, which are only read.
  Numerics: sums in f64 in a fixed order, of distances from the first row, of f64 in two passes; mean,
  variance and moments from them in f64, rounded once; out in f64, or in f32 within 4 ulp of the
  largest of |outⱼ − biasⱼ|, |biasⱼ| and |outⱼ|. A column of equal elements becomes the bias; a column that
  holds a NaN or an infinity becomes NaN, as do its mean, variance and moments. Running moments, weights
  and biases that are infinite make of their column what the formula says. Deviations above 1e37 lose
  digits in f32.
  Traffic: two reads of x, one write of out.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] out=f32[597x43]",
      "x=f64[3x5x4x33] weight=f64[33] bias=f64[33] mean=f64[33] variance=f64[33] "
      "out=f64[3x5x4x33] moments=f64[2x33]",
      "x=f32[4097x3] weight=f32[3] mean=f32[3] variance=f32[3] out=f32[4097x3] moments=f64[2x3] "
      "momentum=0.5 eps=0.1",
      "x=f16[31x33] weight=f16[33] bias=f16[33] mean=f32[33] variance=f32[33] out=f16[31x33]",
      "x=bf16[257x20] bias=bf16[20] out=bf16[257x20] moments=f64[2x20]",
      "x=f32[2x3x3x31] weight=f32[31] bias=f32[31] mean=f32[31] variance=f32[31] "
      "out=f32[2x3x3x31] using=running"};
  static constexpr const char* cases[] = {
      "x=f32[128x28x28x32] weight=f32[32] bias=f32[32] mean=f32[32] variance=f32[32] "
      "out=f32[128x28x28x32] moments=f64[2x32]",
      "x=f32[32x28x28x64] weight=f32[64] bias=f32[64] mean=f32[64] variance=f32[64] "
      "out=f32[32x28x28x64] moments=f64[2x64]",
      "x=f32[32x28x28x64] weight=f32[64] bias=f32[64] mean=f32[64] variance=f32[64] "
      "out=f32[32x28x28x64] using=running"};
  View x, weight, bias, mean, variance, out, moments;
  BatchMoments use = BatchMoments::kBatch;
  double eps = 1e-5, momentum = 0.1;

  bool is_running() const { return use == BatchMoments::kRunning; }
  void fields(Fields& f) {
    f.in("x", x), f.in("weight", weight, kOptional), f.in("bias", bias, kOptional);
    f.inout("mean", mean, kOptional), f.inout("variance", variance, kOptional);
    f.out("out", out, kMayAlias), f.out("moments", moments, kOptional);
    f.value("using", use), f.value("eps", eps), f.value("momentum", momentum);
  }
  double flops() const { return ((is_running() ? 0 : 4 * wide_flops(x)) + 3) * double(x.size()); }
  double bytes() const { return double((is_running() ? 2 : 3) * bytes_in(x)); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(x.rank >= 1, ErrorCode::kShape, "x must have an axis", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(same_shape(out, x), ErrorCode::kShape, "out must have x's shape", out, "x", x);
    check_columns(require, weight, x.dtype, "weight must have x's dtype",
                  "weight must have one element a column of x");
    check_columns(require, bias, x.dtype, "bias must have x's dtype",
                  "bias must have one element a column of x");
    const Dtype wide = x.dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32;
    check_columns(require, mean, wide, "mean must be f32, f64 where x is",
                  "mean must have one element a column of x");
    check_columns(require, variance, wide, "variance must be f32, f64 where x is",
                  "variance must have one element a column of x");
    if (is_running()) {
      require(bool(mean), ErrorCode::kArgument, "mean is missing for running moments");
      require(bool(variance), ErrorCode::kArgument, "variance is missing for running moments");
      require(!moments, ErrorCode::kArgument, "moments must come with those of the batch", moments);
    } else if (variance) {
      require(row_count(x) > 1, ErrorCode::kShape,
              "x must have two rows or more, of which a variance is", x);
    }
    if (moments) {
      require(moments.dtype == Dtype::kF64, ErrorCode::kDtype, "moments must be f64", moments);
      require(moments.rank == 2 && moments.shape[0] == 2 && moments.shape[1] == row_length(x),
              ErrorCode::kShape, "moments must be [2, C]", moments, "x", x);
    }
    require(eps > 0, ErrorCode::kArgument, "eps must be positive", eps);
    require(momentum >= 0 && momentum <= 1, ErrorCode::kArgument, "momentum must be in [0, 1]",
            momentum);
  }

 private:
  void check_columns(auto require, const View& v, Dtype dtype, const char* of,
                     const char* shape) const {
    if (!v) return;
    require(v.dtype == dtype, ErrorCode::kDtype, of, v);
    require(fits_columns(v, x), ErrorCode::kShape, shape, v, "x", x);
  }
};

}  // namespace orthokit
