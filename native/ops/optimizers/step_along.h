#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/op.h"

namespace orthokit {

enum class StepLength : int32_t { kPlain, kUnit, kWithin };
inline Words words(StepLength) {
  static constexpr const char* list[] = {"plain", "unit", "within"};
  return list;
}

struct StepAlong {
  static constexpr const char *name = "step_along",
                              *summary = "out = base + s u for a sum u of terms, with lengths";
  static constexpr const char* about = R"(
  u = Σⱼ cⱼ · termsⱼ, over all tensors of the lists as one vector; `terms` holds all tensors of the
  first term, then of the second, … With `base`, `sum` takes u, and out = base + s · u, where s is by
  `by`
    plain: amount;  unit: amount / |u|, and 0 where u is;  within: min(1, amount / |u|);
  without, out = u. `length` becomes |u|, `outLength` |out|, and `termLengths` those of so many of
  the last terms, as they were before.
  An output may be one of its own terms.
  Numerics: sums in the outputs' dtype, in the order of the terms; squares of f32 may be added in f32
  within 512 elements, all else in f64; right for numbers of any size. NaN and infinity pass.
  Traffic: one read of every term, one write of the sum; with base one read of it, one write, and
  one read of the sum unless `by` is plain (CUDA reads it then, too).
  )";
  static constexpr const char* examples[] = {
      "out=f32[597x43],f32[31] terms=f32[597x43],f32[31],f32[597x43],f32[31] coefficients=0.9,-0.1 "
      "length=f64[1] termLengths=f64[1]",
      "out=f64[4097] base=f64[4097] sum=f64[4097] terms=f64[4097],f64[4097],f64[4097] "
      "coefficients=1,0.5,-2*f64[1] amount=-0.1 by=unit length=f64[1] outLength=f64[1] "
      "termLengths=f64[3]",
      "out=f32[200000],f32[33],f32[0] base=f32[200000],f32[33],f32[0] "
      "sum=f32[200000],f32[33],f32[0] terms=f32[200000],f32[33],f32[0] coefficients=1 amount=0.5 "
      "by=within outLength=f64[1]",
      "out=f32[4097] base=f32[4097] sum=f32[4097] terms=f32[4097],f32[4097] coefficients=1,-1 "
      "amount=0.25"};
  static constexpr const char* cases[] = {
      "out=f32[8192x1024] base=f32[8192x1024] sum=f32[8192x1024] "
      "terms=f32[8192x1024],f32[8192x1024] coefficients=0.1,0.9 amount=0.1 by=unit length=f64[1] "
      "outLength=f64[1]",
      "out=f32[10000] base=f32[10000] sum=f32[10000] terms=f32[10000],f32[10000] "
      "coefficients=0.1,0.9 amount=0.1 by=unit length=f64[1] outLength=f64[1]",
      "out=f32[8192x1024] base=f32[8192x1024] sum=f32[8192x1024] "
      "terms=f32[8192x1024],f32[8192x1024] coefficients=1,-1 amount=0.5"};
  static constexpr int kMaxTerms = 8;
  List<View> out, base, sum, terms;
  List<Factor> coefficients;
  View length, out_length, term_lengths;
  double amount = 1;
  StepLength by = StepLength::kPlain;

  void fields(Fields& f) {
    f.out("out", out, kMayAlias), f.in("base", base, kOptional);
    f.out("sum", sum, kOptional | kMayAlias), f.in("terms", terms);
    f.value("coefficients", coefficients);
    f.out("length", length, kOptional), f.out("outLength", out_length, kOptional);
    f.out("termLengths", term_lengths, kOptional);
    f.value("amount", amount), f.value("by", by);
  }
  bool moves() const { return base.count > 0; }
  const List<View>& target() const { return moves() ? sum : out; }  // of u
  int64_t told() const { return term_lengths ? term_lengths.size() : 0; }
  // amount times the inverse of a subnormal length must not become infinity, and 0 times it NaN.
  double most_inverse() const {
    const bool is_wide = out.count > 0 && out[0].dtype == Dtype::kF64;
    const double most =
        is_wide ? std::numeric_limits<double>::max() : double(std::numeric_limits<float>::max());
    return most / std::max(1.0, std::abs(amount));
  }
  // s, from |u|.
  double factor(double size) const {
    if (by == StepLength::kPlain) return amount;
    if (by == StepLength::kWithin) return size <= amount ? 1 : amount / size;
    const double inverse = 1 / size;
    return size == 0 ? 0 : amount * (inverse > most_inverse() ? most_inverse() : inverse);
  }
  // The sum is written, and read again where its length says how far it moves base.
  double bytes() const {
    const double again = by == StepLength::kPlain ? 0 : bytes_in(sum);
    return bytes_in(terms) + bytes_in(out) + bytes_in(base) + bytes_in(sum) + again;
  }
  double flops() const {
    double n = 0;
    for (auto& t : terms) n += 4.0 * double(t.size());
    for (auto& t : base) n += 4.0 * double(t.size());
    return n;
  }
  void check(auto require) const {
    require(coefficients.count > 0 && coefficients.count <= kMaxTerms, ErrorCode::kArgument,
            "coefficients must be 1 to 8", double(coefficients.count));
    require(terms.count == out.count * coefficients.count, ErrorCode::kArgument,
            "terms must be as many as out times coefficients", double(terms.count));
    require(base.count == 0 || base.count == out.count, ErrorCode::kArgument,
            "base must be as many as out, or none", double(base.count));
    require(sum.count == base.count, ErrorCode::kArgument, "sum must be as many as base",
            double(sum.count));
    for (int64_t i = 0; i < out.count; ++i)
      require(is_f32_or_f64(out[i]) && out[i].dtype == out[0].dtype, ErrorCode::kDtype,
              "out must be all f32 or all f64", out[i]);
    const auto fits = [&](const View& v, int64_t i) {
      const View& like = out[i % out.count];
      require(v.dtype == like.dtype, ErrorCode::kDtype, "terms, base and sum must have out's dtype",
              v);
      require(same_shape(v, like), ErrorCode::kShape, "terms, base and sum must have out's shape",
              v, "out", like);
    };
    for (int64_t i = 0; i < terms.count; ++i) fits(terms[i], i);
    for (int64_t i = 0; i < base.count; ++i) {
      fits(base[i], i), fits(sum[i], i);
      // It would be gone before it is added.
      require(sum[i].size() == 0 || sum[i].data != base[i].data, ErrorCode::kArgument,
              "sum must not be base, got the same memory");
    }
    for (auto& c : coefficients)
      require(!c.by || (c.by.size() == 1 && is_f32_or_f64(c.by)), ErrorCode::kShape,
              "coefficients on the device must be single numbers", c.by);
    if (length) require.array("length must be f64[1]", length, Dtype::kF64, 1);
    if (out_length) require.array("outLength must be f64[1]", out_length, Dtype::kF64, 1);
    if (term_lengths) {
      require(term_lengths.dtype == Dtype::kF64, ErrorCode::kDtype, "termLengths must be f64",
              term_lengths);
      require(told() > 0 && told() <= coefficients.count, ErrorCode::kShape,
              "termLengths must be 1 to as many as coefficients", term_lengths);
    }
    require(std::isfinite(amount), ErrorCode::kArgument, "amount must be finite", amount);
    require(by != StepLength::kWithin || amount >= 0, ErrorCode::kArgument,
            "amount must not be negative where steps end within it", amount);
    require(moves() || by == StepLength::kPlain, ErrorCode::kArgument,
            "base must be given where by is not plain, got none");
  }
};

}  // namespace orthokit
