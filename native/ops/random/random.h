#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

// Bits of a uniform number in the dtypes of less than 64 bits.
template <class T>
inline constexpr int kUniformBits = std::is_same_v<T, float>  ? 24
                                    : std::is_same_v<T, Half> ? 11
                                                              : 8;

enum class Distribution : int32_t { kUniform, kNormal, kBits, kRademacher };
inline Words words(Distribution) {
  static constexpr const char* list[] = {"uniform", "normal", "bits", "rademacher"};
  return list;
}

struct Random {
  static constexpr const char *name = "random",
                              *summary = "random numbers: uniform, normal, signs or words";
  static constexpr const char* about = R"(
  Random numbers by position: the elements of the list are numbered through, tensor after tensor,
  and element e is number g = offset + e of the sequence (seed, stream). So no split of the work,
  of a tensor or of a list changes a value.
  The sequence of 32-bit words is that of philox.h: block b holds w[4b], w[4b+1], w[4b+2], w[4b+3].
    bits     i32: w[g]
    uniform  in [0, 1): the upper bits of w[g] as a binary fraction, as many as the significand of
             the dtype holds (f32 24, f16 11, bf16 8); f64: the upper 53 bits of (w[2g], w[2g+1])
    normal   √(−2 ln u) cos 2πv for g = 2p, √(−2 ln u) sin 2πv for g = 2p + 1 (Box–Muller), in f64,
             rounded once, where u in (0, 1] and v in [0, 1) are
             (w[2p] + 1) / 2³² and w[2p+1] / 2³²; for f64, (a + 1) / 2⁵³ and b / 2⁵³ with
             a, b the upper 53 bits of (w[4p], w[4p+1]) and of (w[4p+2], w[4p+3])
    rademacher  1 where the top bit of w[g] is 0, else −1, in any dtype that is floating
  The sequence has 2⁶² numbers: the last one, offset + elements − 1, must be one of them.
  Numerics: words, uniform numbers and signs are the same bits on every backend; the last bits of
  normal numbers depend on its log, sine and cosine. Normal numbers stay within ±6.67, f64 within
  ±8.58.
  Traffic: one write of x.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43],f32[31],f32[0] seed=1 distribution=normal",
      "x=f64[4097] seed=2 offset=3 stream=1",
      "x=f32[4097] seed=3",
      "x=f16[597],f16[31] seed=4 offset=5",
      "x=bf16[4097] seed=5 offset=1 distribution=normal",
      "x=f64[597] seed=6 offset=1 distribution=normal",
      "x=i32[4097] seed=7 offset=2 distribution=bits",
      "x=f32[597x43],f32[31] seed=8 offset=3 distribution=rademacher",
      "x=f64[597] seed=9 offset=1 distribution=rademacher"};
  static constexpr const char* cases[] = {
      "x=f32[8192x1024] seed=1", "x=f32[8192x1024] seed=1 distribution=normal",
      "x=f32[8192x1024] seed=1 distribution=rademacher", "x=f32[64x1024] seed=1"};
  List<View> x;
  int64_t seed = 0, offset = 0, stream = 0;
  Distribution distribution = Distribution::kUniform;

  void fields(Fields& f) {
    f.out("x", x), f.value("seed", seed), f.value("offset", offset), f.value("stream", stream);
    f.value("distribution", distribution);
  }
  double flops() const {
    // Ten rounds of two products of words, two sums and four other operations a block of four
    // words; Box–Muller in f64.
    constexpr double kWord = 20, kPair = kLogFlops + kRootFlops + 36;
    double n = 0;
    for (auto& v : x) {
      const double normal = distribution == Distribution::kNormal ? kPair / 2 * wide_flops(v) : 0;
      n += double(v.size()) * ((v.dtype == Dtype::kF64 ? 2 : 1) * kWord + normal);
    }
    return n;
  }
  void check(auto require) const {
    require(seed >= 0, ErrorCode::kArgument, "seed must not be negative", double(seed));
    require(offset >= 0, ErrorCode::kArgument, "offset must not be negative", double(offset));
    require(stream >= 0, ErrorCode::kArgument, "stream must not be negative", double(stream));
    // A number takes up to two words, so each word's place is below 2⁶³ and no place wraps.
    int64_t left = int64_t(1) << 62;
    for (auto& v : x) left -= std::min(left, v.size());
    require(offset <= left, ErrorCode::kArgument, "offset must leave all elements below 2^62",
            double(offset));
    for (auto& v : x) {
      if (distribution == Distribution::kBits)
        require(v.dtype == Dtype::kI32, ErrorCode::kDtype, "x must be i32 for bits", v);
      else
        require(is_floating(v), ErrorCode::kDtype, "x must be floating", v);
      require(v.dtype == x[0].dtype, ErrorCode::kDtype, "x must be of one dtype", v);
    }
  }
};

}  // namespace orthokit
