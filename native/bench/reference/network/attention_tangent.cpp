#include "ops/network/attention_tangent.h"

#include "bench/reference/network/shared/attention_sums.h"

namespace orthokit::bench {

namespace {

AttentionPairs tangents_of(const AttentionTangent& op) {
  return {op, op.qkv ? op.tangent_qkv : op.tangent_q, op.qkv ? op.tangent_qkv : op.tangent_kv};
}

struct TangentSums {
  std::vector<PairSum> elements;  // of slopes with values and of p with their tangents
  std::vector<PairSum> slopes;    // for each element, the sum of its query's
};

// As of the gradients; the sum of the slopes, by which `out` is multiplied, is of slopes before
// they are rounded to 16 bits. What moves a slope moves both sums.
TangentSums sums_of(const AttentionTangent& op) {
  const AttentionPairs pairs(op), along = tangents_of(op);
  const AttentionHeads& h = pairs.heads;
  const Dtype dtype = attention_dtype(op);
  const size_t size = size_t(op.out_tangent.size());
  TangentSums sums{std::vector<PairSum>(size), std::vector<PairSum>(size)};
  pairs.for_queries([&](int64_t b, int64_t head, int64_t i) {
    const double log_sum = values(op.log_sums)[h.sums_at(b, head) + i];
    const std::vector<double> s = pairs.scores(b, head, i),
                              off = pairs.scores_off(b, head, i, log_sum);
    const int64_t at = h.out_at(b, head) + i * h.width();
    for (size_t j = 0; j < s.size(); ++j) {
      const auto key = int64_t(j);
      const InnerProduct moved_query{along.query(b, head, i), 1, pairs.key(b, head, key), 1,
                                     h.size},
          moved_key{pairs.query(b, head, i), 1, along.key(b, head, key), 1, h.size};
      const PairWeight weight(s[j] - log_sum, off[j], pairs.unit);
      const double p = weight.p, product = h.scale * (moved_query.sum() + moved_key.sum()),
                   off_product = pairs.unit * product_growth(h.size) * std::abs(h.scale) *
                                 (moved_query.terms() + moved_key.terms()),
                   off_slope = weight.off * std::abs(product) + (p + weight.off) * off_product;
      // How far p is off moves the slope and p with the tangents together: it is counted once.
      const PairFactor slope{p * product, (p + weight.off) * off_product, 0, 0,
                             half_rounding(dtype, p * product, off_slope)};
      PairFactor of_tangent{p, weight.off, s[j], log_sum, half_rounding(dtype, p, weight.off)};
      of_tangent.flushed = weight.flushed;
      for (int64_t c = 0; c < h.size; ++c) {
        const double value = pairs.value(b, head, key)[c], tangent = along.value(b, head, key)[c],
                     moved = value - values(op.out)[at + c];
        PairSum& element = sums.elements[size_t(at + c)];
        element.add(slope, value, moved);
        element.add(of_tangent, tangent, tangent + product * moved);
        sums.slopes[size_t(at + c)].add(slope, 1);
      }
    }
  });
  return sums;
}

void attention_tangent(const AttentionTangent& op) {
  const TangentSums sums = sums_of(op);
  for (size_t c = 0; c < sums.elements.size(); ++c) {
    const PairSum& slopes = sums.slopes[c];  // none, of a query that sees no key
    values(op.out_tangent)[c] =
        slopes.count == 0 ? 0 : sums.elements[c].sum - values(op.out)[c] * slopes.sum;
  }
}

}  // namespace

ORTHOKIT_REFERENCE(AttentionTangent, attention_tangent,
                   product_growth(std::max(heads_of(op).keys, heads_of(op).size)));

static std::vector<double> terms_of(const AttentionTangent& op, std::string_view) {
  const TangentSums sums = sums_of(op);
  std::vector<double> terms = terms_of_sums(sums.elements, growth_of(op), AttentionPairs(op).unit);
  for (size_t c = 0; c < terms.size(); ++c)
    if (terms[c] != kUnsteady) terms[c] += std::abs(values(op.out)[c]) * sums.slopes[c].walk();
  const AttentionPairs pairs(op), along = tangents_of(op);
  const AttentionHeads& h = pairs.heads;
  pairs.for_queries([&](int64_t b, int64_t head, int64_t i) {
    const int64_t at = h.out_at(b, head) + i * h.width();
    const bool is_finite =
        pairs.is_query_finite(b, head, i) && along.is_query_finite(b, head, i) &&
        pairs.are_keys_finite(b, head) && along.are_keys_finite(b, head) &&
        are_finite(values(op.out) + at, h.size) &&
        pairs.is_sum_held(attention_dtype(op), values(op.log_sums)[h.sums_at(b, head) + i], b, head,
                          i);
    if (is_finite || pairs.seen(b, i) == 0) return;
    make_unsteady(terms, op.out_tangent, at, h.size);
    // Infinities of both signs, where the slopes are multiplied by `out` one by one.
    for (int64_t c = at; c < at + h.size; ++c)
      if (std::isinf(values(op.out)[c])) terms[size_t(c)] = kUnsteady;
  });
  return terms;
}
ORTHOKIT_ALL_TERMS(AttentionTangent, terms_of);

}  // namespace orthokit::bench
