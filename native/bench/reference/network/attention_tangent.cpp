#include "ops/network/attention_tangent.h"

#include "bench/reference/network/shared/attention_pairs.h"

namespace orthokit::bench {

namespace {

// The part of a key in the element of a query.
struct TangentTerm {
  double p, slope, p_size, slope_size;  // the sizes that p and the slope round by
  double value, own, value_tangent;
};

AttentionPairs tangents_of(const AttentionTangent& op) {
  return {op, op.qkv ? op.tangent_qkv : op.tangent_q, op.qkv ? op.tangent_qkv : op.tangent_kv};
}

// The sums of what `of` makes of each term.
template <class Of>
std::vector<double> sums_of(const AttentionTangent& op, Of&& of) {
  const AttentionPairs pairs(op), along = tangents_of(op);
  const AttentionHeads& h = pairs.heads;
  std::vector<double> sums(size_t(op.out_tangent.size()), 0.0);
  pairs.for_queries([&](int64_t b, int64_t head, int64_t i) {
    const double log_sum = values(op.log_sums)[h.sums_at(b, head) + i];
    const std::vector<double> s = pairs.scores(b, head, i), sizes = pairs.score_sizes(b, head, i);
    const int64_t at = h.out_at(b, head) + i * h.width();
    for (size_t j = 0; j < s.size(); ++j) {
      const auto key = int64_t(j);
      const InnerProduct moved_query{along.query(b, head, i), 1, pairs.key(b, head, key), 1,
                                     h.size},
          moved_key{pairs.query(b, head, i), 1, along.key(b, head, key), 1, h.size};
      const double p = std::exp(s[j] - log_sum), moved = 1 + sizes[j] + std::abs(log_sum);
      TangentTerm term{p, p * h.scale * (moved_query.sum() + moved_key.sum()), p * moved,
                       p * moved * std::abs(h.scale) * (moved_query.terms() + moved_key.terms())};
      for (int64_t c = 0; c < h.size; ++c) {
        term.value = pairs.value(b, head, key)[c], term.own = values(op.out)[at + c];
        term.value_tangent = along.value(b, head, key)[c];
        sums[size_t(at + c)] += of(term);
      }
    }
  });
  return sums;
}

void attention_tangent(const AttentionTangent& op) {
  const std::vector<double> sums = sums_of(
      op, [](const TangentTerm& t) { return t.slope * (t.value - t.own) + t.p * t.value_tangent; });
  std::ranges::copy(sums, values(op.out_tangent));
}

}  // namespace

ORTHOKIT_REFERENCE(AttentionTangent, attention_tangent,
                   product_growth(std::max(heads_of(op).keys, heads_of(op).size)));

// As of the gradients: scores and products round by the sizes of their terms, then terms cancel.
// The sum of the slopes, by which `out` is multiplied, is of slopes before they are rounded.
static std::vector<double> terms_of(const AttentionTangent& op, std::string_view) {
  const double growth = growth_of(op);
  const auto half = [&](double x, double factor) {
    return rounding_of(attention_dtype(op), x, growth) * std::abs(factor);
  };
  const auto size_of = [](const TangentTerm& t) {
    return t.slope_size * (std::abs(t.value) + std::abs(t.own)) +
           t.p_size * std::abs(t.value_tangent);
  };
  std::vector<double> terms =
      together(sums_of(op,
                       [&](const TangentTerm& t) {
                         return size_of(t) + half(t.slope, t.value) + half(t.p, t.value_tangent);
                       }),
               sums_of(op, [&](const TangentTerm& t) {
                 return std::pow(size_of(t), 2) + std::pow(kFurthest * half(t.slope, t.value), 2) +
                        std::pow(kFurthest * half(t.p, t.value_tangent), 2);
               }));
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
ORTHOKIT_TERMS(AttentionTangent, terms_of);

}  // namespace orthokit::bench
