// Queries of attention with the keys that they see, in plain loops.
#pragma once
#include "bench/reference/shared/inner_product.h"
#include "bench/reference/shared/softmax.h"
#include "ops/network/shared/attention_heads.h"

namespace orthokit::bench {

inline bool are_finite(const double* x, int64_t size) {
  return std::all_of(x, x + size, [](double v) { return std::isfinite(v); });
}

// A row of a result that sums over rows of which one is not finite, or by p that the arithmetic's
// type does not hold. Kernels multiply tiles whole, with p = 0 where a query does not see a key or
// where p is too small for their type: 0 times an infinity is NaN. What is NaN by the formula
// remains so.
inline void make_unsteady(std::vector<double>& terms, const View& result, int64_t at,
                          int64_t size) {
  for (int64_t c = at; c < at + size; ++c)
    if (!std::isnan(values(result)[c])) terms[size_t(c)] = kUnsteady;
}

struct AttentionPairs {
  AttentionHeads heads;
  const double *queries, *keys, *lengths;

  template <class Op>
  explicit AttentionPairs(const Op& op)
      : AttentionPairs(op, op.q ? op.q : op.qkv, op.kv ? op.kv : op.qkv) {}
  // Tensors that lie as the operands do.
  template <class Op>
  AttentionPairs(const Op& op, const View& of_queries, const View& of_keys)
      : heads(heads_of(op)),
        queries(values(of_queries)),
        keys(values(of_keys)),
        lengths(values(op.lengths)) {}

  template <class Body>
  void for_queries(Body&& body) const {
    for (int64_t b = 0; b < heads.batch; ++b)
      for (int64_t head = 0; head < heads.heads; ++head)
        for (int64_t i = 0; i < heads.queries; ++i) body(b, head, i);
  }
  const double* query(int64_t b, int64_t head, int64_t i) const {
    return queries + heads.query_at(b, head) + i * heads.query_stride();
  }
  const double* key(int64_t b, int64_t head, int64_t j) const {
    return keys + heads.key_at(b, head / heads.group()) + j * heads.key_stride();
  }
  const double* value(int64_t b, int64_t head, int64_t j) const {
    return keys + heads.value_at(b, head / heads.group()) + j * heads.key_stride();
  }
  int64_t counted(int64_t b) const {
    return lengths ? counted_keys(int32_t(lengths[b]), heads.keys) : heads.keys;
  }
  // Of the keys that the query sees, which are the first.
  int64_t seen(int64_t b, int64_t i) const { return heads.seen(i, counted(b)); }
  bool is_query_finite(int64_t b, int64_t head, int64_t i) const {
    return are_finite(query(b, head, i), heads.size);
  }
  bool is_key_finite(int64_t b, int64_t head, int64_t j) const {
    return are_finite(key(b, head, j), heads.size) && are_finite(value(b, head, j), heads.size);
  }
  bool are_keys_finite(int64_t b, int64_t head) const {
    for (int64_t j = 0; j < counted(b); ++j)
      if (!is_key_finite(b, head, j)) return false;
    return true;
  }
  std::vector<double> scores(int64_t b, int64_t head, int64_t i) const {
    std::vector<double> s(size_t(seen(b, i)), 0.0);
    for (size_t j = 0; j < s.size(); ++j)
      s[j] = heads.scale *
             InnerProduct{query(b, head, i), 1, key(b, head, int64_t(j)), 1, heads.size}.sum();
    return s;
  }
  // True where all p = exp(s − logSum) are at most the root of the largest number that the
  // arithmetic's type holds, so that it holds their products too. They are at most 1 where logSum
  // is what attention gave.
  bool is_sum_held(Dtype dtype, double log_sum, int64_t b, int64_t head, int64_t i) const {
    const double largest = dtype == Dtype::kF64 ? std::numeric_limits<double>::max()
                                                : double(std::numeric_limits<float>::max());
    const std::vector<double> s = scores(b, head, i);
    return std::isfinite(log_sum) &&
           std::ranges::all_of(s, [&](double x) { return x - log_sum <= std::log(largest) / 2; });
  }
  // The sizes of the terms of these.
  std::vector<double> score_sizes(int64_t b, int64_t head, int64_t i) const {
    std::vector<double> s(size_t(seen(b, i)), 0.0);
    for (size_t j = 0; j < s.size(); ++j)
      s[j] = std::abs(heads.scale) *
             InnerProduct{query(b, head, i), 1, key(b, head, int64_t(j)), 1, heads.size}.terms();
    return s;
  }
};

// Rounding x to the operands' type moves it by this, where that has 16 bits: an instruction that
// multiplies matrices may take it so. Less the factor that sizes of terms are multiplied by.
inline double rounding_of(Dtype dtype, double x, double growth) {
  constexpr double kLeastHalf = 0x1p-25;  // half the distance of f16's subnormal numbers
  if (!is_half(dtype)) return 0;
  const double moved = std::abs(x) * unit_of(dtype);
  return (dtype == Dtype::kF16 ? std::max(moved, kLeastHalf) : moved) /
         (growth * unit_of(Dtype::kF32));
}

// A sum of roundings, independent of each other, is seldom so many roots of the sum of their
// squares, which is six standard deviations.
inline constexpr double kFurthest = 2.5;

// The size of what many roundings come to: of each the most that it may be, summed; or the root of
// squares summed where that is less.
inline std::vector<double> together(std::vector<double> sums, const std::vector<double>& squares) {
  for (size_t i = 0; i < sums.size(); ++i) sums[i] = std::min(sums[i], std::sqrt(squares[i]));
  return sums;
}

inline std::vector<double> softmax_of(const std::vector<double>& scores) {
  return softmax(scores.data(), int64_t(scores.size()));
}

}  // namespace orthokit::bench
