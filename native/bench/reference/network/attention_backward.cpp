#include "ops/network/attention_backward.h"

#include "bench/reference/network/shared/attention_sums.h"

namespace orthokit::bench {

namespace {

struct AttentionSums {
  std::vector<PairSum> q, kv;  // as qkv, or as q and kv
};

// Adds, for all pairs, the products of p and the slope with the elements that they multiply. p is
// off as its score is; the slope besides as the product of gradient and value; and as that of
// gradient and result, which all pairs of a query share.
AttentionSums sums_of(const AttentionBackward& op) {
  const AttentionPairs pairs(op);
  const AttentionHeads& h = pairs.heads;
  const Dtype dtype = attention_dtype(op);
  const double off_products = pairs.unit * product_growth(h.size);
  AttentionSums sums;
  sums.q.resize(size_t(h.batch * h.queries * h.query_stride()));
  if (!h.packed) sums.kv.resize(size_t(h.batch * h.keys * h.key_stride()));
  std::vector<PairSum>& kv = h.packed ? sums.q : sums.kv;
  pairs.for_queries([&](int64_t b, int64_t head, int64_t i) {
    const double log_sum = values(op.log_sums)[h.sums_at(b, head) + i];
    const double *q = pairs.query(b, head, i),
                 *grad = values(op.grad) + h.out_at(b, head) + i * h.width(),
                 *out = values(op.out) + h.out_at(b, head) + i * h.width();
    const InnerProduct own{grad, 1, out, 1, h.size};
    const double product_own = own.sum(), off_own = off_products * own.terms();
    const std::vector<double> s = pairs.scores(b, head, i),
                              off = pairs.scores_off(b, head, i, log_sum);
    for (size_t j = 0; j < s.size(); ++j) {
      const double *k = pairs.key(b, head, int64_t(j)), *v = pairs.value(b, head, int64_t(j));
      const InnerProduct product{grad, 1, v, 1, h.size};
      const PairWeight weight(s[j] - log_sum, off[j], pairs.unit);
      const double difference = product.sum() - product_own, p = weight.p,
                   off_slope = weight.off * std::abs(difference) +
                               (p + weight.off) * off_products * product.terms(),
                   common = (p + weight.off) * off_own;
      PairFactor of_value{p, weight.off, s[j], log_sum, half_rounding(dtype, p, weight.off)};
      PairFactor of_key{p * difference, off_slope, s[j], log_sum,
                        half_rounding(dtype, p * difference, off_slope + common)};
      of_value.flushed = weight.flushed, of_key.flushed = weight.flushed * std::abs(difference);
      // Kernels scale queries and keys first, which may leave few digits of the smallest numbers.
      of_key.least = least_subnormal(pairs.unit);
      PairFactor of_query = of_key;
      of_query.common = common, of_key.off = std::hypot(off_slope, common);
      const int64_t at = h.query_at(b, head) + i * h.query_stride(), kv_head = head / h.group(),
                    at_key = h.key_at(b, kv_head) + int64_t(j) * h.key_stride(),
                    at_value = h.value_at(b, kv_head) + int64_t(j) * h.key_stride();
      for (int64_t c = 0; c < h.size; ++c) {
        sums.q[size_t(at + c)].add(of_query, h.scale * k[c]);
        kv[size_t(at_key + c)].add(of_key, h.scale * q[c]);
        kv[size_t(at_value + c)].add(of_value, grad[c]);
      }
    }
  });
  return sums;
}

void add(const AttentionBackward& op, const View& to, const std::vector<PairSum>& sums) {
  if (!to) return;
  for (size_t i = 0; i < sums.size(); ++i)
    values(to)[i] = sums[i].sum + (op.beta == 0 ? 0 : values(to)[i]);
}

void attention_backward(const AttentionBackward& op) {
  const AttentionSums sums = sums_of(op);
  add(op, op.qkv ? op.grad_qkv : op.grad_q, sums.q);
  add(op, op.grad_kv, sums.kv);
}

// Of a query that sees keys.
bool is_query_finite(const AttentionBackward& op, const AttentionPairs& pairs, int64_t b,
                     int64_t head, int64_t i) {
  const AttentionHeads& h = pairs.heads;
  const int64_t at = h.out_at(b, head) + i * h.width();
  return pairs.is_query_finite(b, head, i) && are_finite(values(op.grad) + at, h.size) &&
         are_finite(values(op.out) + at, h.size) &&
         pairs.is_sum_held(attention_dtype(op), values(op.log_sums)[h.sums_at(b, head) + i], b,
                           head, i);
}

void make_queries_unsteady(const AttentionBackward& op, const View& result,
                           std::vector<double>& terms) {
  const AttentionPairs pairs(op);
  const AttentionHeads& h = pairs.heads;
  pairs.for_queries([&](int64_t b, int64_t head, int64_t i) {
    if (pairs.seen(b, i) > 0 &&
        !(is_query_finite(op, pairs, b, head, i) && pairs.are_keys_finite(b, head)))
      make_unsteady(terms, result, h.query_at(b, head) + i * h.query_stride(), h.size);
  });
}

void make_keys_unsteady(const AttentionBackward& op, const View& result,
                        std::vector<double>& terms) {
  const AttentionPairs pairs(op);
  const AttentionHeads& h = pairs.heads;
  std::vector<bool> finite(size_t(h.batch * h.kv_heads), true);  // all queries of these keys
  pairs.for_queries([&](int64_t b, int64_t head, int64_t i) {
    if (pairs.seen(b, i) > 0 && !is_query_finite(op, pairs, b, head, i))
      finite[size_t(b * h.kv_heads + head / h.group())] = false;
  });
  for (int64_t b = 0; b < h.batch; ++b)
    for (int64_t kv_head = 0; kv_head < h.kv_heads && h.queries > 0; ++kv_head)
      for (int64_t j = 0; j < pairs.counted(b); ++j) {
        if (finite[size_t(b * h.kv_heads + kv_head)] &&
            pairs.is_key_finite(b, kv_head * h.group(), j))
          continue;
        const int64_t place = j * h.key_stride();
        make_unsteady(terms, result, h.key_at(b, kv_head) + place, h.size);
        make_unsteady(terms, result, h.value_at(b, kv_head) + place, h.size);
      }
}

}  // namespace

ORTHOKIT_REFERENCE(AttentionBackward, attention_backward,
                   product_growth(std::max({heads_of(op).keys,
                                            heads_of(op).queries* heads_of(op).group(),
                                            heads_of(op).size})));

static std::vector<double> terms_of(const AttentionBackward& op, std::string_view tensor) {
  const AttentionSums sums = sums_of(op);
  const double unit = AttentionPairs(op).unit;
  if (tensor == "gradKv") {
    std::vector<double> terms = terms_of_sums(sums.kv, growth_of(op), unit);
    if (op.grad_kv) make_keys_unsteady(op, op.grad_kv, terms);
    return terms;
  }
  std::vector<double> terms = terms_of_sums(sums.q, growth_of(op), unit);
  if (tensor == "gradQ" || tensor == "gradQkv")
    make_queries_unsteady(op, op.qkv ? op.grad_qkv : op.grad_q, terms);
  if (tensor == "gradQkv") make_keys_unsteady(op, op.grad_qkv, terms);
  return terms;
}
ORTHOKIT_ALL_TERMS(AttentionBackward, terms_of);

}  // namespace orthokit::bench
