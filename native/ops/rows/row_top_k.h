#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"
#include "ops/shared/rows.h"

namespace orthokit {

enum class TopNoise : int32_t { kNone, kGumbel };
inline Words words(TopNoise) {
  static constexpr const char* list[] = {"none", "gumbel"};
  return list;
}

struct RowTopK {
  static constexpr const char *name = "row_top_k",
                              *summary = "largest elements of every row, or draws by softmax";
  static constexpr const char* about = R"(
  index = the columns of the k elements of the row with the largest scores, from the largest on,
  where k is the length of index' last axis; values = these elements of x. Of equal scores the first
  column comes first; NaN counts as +inf.
  The score is x, or with noise gumbel x / temperature − ln(−ln u), u uniform: then the first index
  is drawn by the probabilities softmax(x / temperature), and all k without replacement (Gumbel
  1954; Kool et al. 2019). Where `among` is not 0, only the `among` largest elements of the row take
  part. A temperature of 0 is no noise.
  The number u of column j in row i is (w[g] + 1/2) / 2³², g = offset + i · columns + j, of the
  sequence (seed, stream) of random.
  Numerics: scores in f64. Rows, wherever they lie, draw their own numbers.
  Traffic: one read of x; on CUDA one for each element that is found, from cache.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] index=i32[597x1] values=f32[597x1]",
      "x=f64[31x4097] index=i32[31x5] values=f64[31x5]", "x=f32[7x5x33] index=i32[7x5x33]",
      "x=bf16[31x43] index=i32[31x7] values=bf16[31x7]",
      "x=f32[597x43] index=i32[597x1] among=5 noise=gumbel temperature=0.8 seed=3 offset=7"};
  static constexpr const char* cases[] = {
      "x=f32[64x32000] index=i32[64x1]",
      "x=f32[64x32000] index=i32[64x1] among=40 noise=gumbel seed=1",
      "x=f32[64x32000] index=i32[64x1] noise=gumbel seed=1"};
  View x, index, values;
  int64_t among = 0;
  TopNoise noise = TopNoise::kNone;
  double temperature = 1;
  int64_t seed = 0, offset = 0, stream = 0;

  bool draws() const { return noise == TopNoise::kGumbel && temperature > 0; }
  int64_t count() const { return row_length(index); }
  // The number of elements of a row that take part.
  int64_t candidates() const {
    const int64_t columns = row_length(x);
    return among > 0 && among < columns ? among : columns;
  }
  void fields(Fields& f) {
    f.in("x", x), f.out("index", index), f.out("values", values, kOptional);
    f.value("among", among), f.value("noise", noise), f.value("temperature", temperature);
    f.value("seed", seed), f.value("offset", offset), f.value("stream", stream);
  }
  double flops() const {
    const double drawn = draws() ? 2 * kLogFlops + 20 : 0;
    return double(x.size()) + drawn * double(row_count(x) * candidates());
  }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(x.rank >= 1, ErrorCode::kShape, "x must have an axis", x);
    require(index.dtype == Dtype::kI32, ErrorCode::kDtype, "index must be i32", index);
    require(index.rank >= 1 && row_count(index) == row_count(x), ErrorCode::kShape,
            "index must have a row a row of x", index, "x", x);
    require(row_length(index) <= row_length(x), ErrorCode::kShape,
            "index must have at most as many columns as x", index, "x", x);
    require(among == 0 || among >= row_length(index), ErrorCode::kArgument,
            "among must be 0 or at least the columns of index", double(among));
    if (values) {
      require(values.dtype == x.dtype, ErrorCode::kDtype, "values must have x's dtype", values);
      require(same_shape(values, index), ErrorCode::kShape, "values must have the shape of index",
              values, "index", index);
    }
    require(temperature >= 0, ErrorCode::kArgument, "temperature must not be negative",
            temperature);
    require(seed >= 0, ErrorCode::kArgument, "seed must not be negative", double(seed));
    require(stream >= 0, ErrorCode::kArgument, "stream must not be negative", double(stream));
    const int64_t left = (int64_t(1) << 62) - x.size();
    require(offset >= 0 && offset <= left, ErrorCode::kArgument,
            "offset must leave all elements below 2^62", double(offset));
  }
};

}  // namespace orthokit
