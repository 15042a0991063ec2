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
  double unit;  // of the arithmetic

  template <class Op>
  explicit AttentionPairs(const Op& op)
      : AttentionPairs(op, op.q ? op.q : op.qkv, op.kv ? op.kv : op.qkv) {}
  // Tensors that lie as the operands do.
  template <class Op>
  AttentionPairs(const Op& op, const View& of_queries, const View& of_keys)
      : heads(heads_of(op)),
        queries(values(of_queries)),
        keys(values(of_keys)),
        lengths(values(op.lengths)),
        unit(unit_of(attention_dtype(op) == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32)) {}

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
    const std::vector<double> s = scores(b, head, i), off = scores_off(b, head, i, log_sum);
    for (size_t j = 0; j < s.size(); ++j)
      if (!(s[j] + off[j] - log_sum <= std::log(largest) / 2)) return false;
    return std::isfinite(log_sum);
  }
  // How far rounding may take each s − logSum and the logarithm of its exponential: by the terms of
  // the score, and by some roundings of both numbers and of the exponential.
  std::vector<double> scores_off(int64_t b, int64_t head, int64_t i, double log_sum) const {
    constexpr double kRoundings = 8;
    std::vector<double> off(size_t(seen(b, i)), 0.0);
    for (size_t j = 0; j < off.size(); ++j) {
      const InnerProduct product{query(b, head, i), 1, key(b, head, int64_t(j)), 1, heads.size};
      off[j] =
          unit * (product_growth(heads.size) * std::abs(heads.scale) * product.terms() +
                  kRoundings * (1 + std::abs(heads.scale * product.sum()) + std::abs(log_sum)));
    }
    return off;
  }
};

}  // namespace orthokit::bench
