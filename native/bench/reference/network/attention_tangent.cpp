#include "ops/network/attention_tangent.h"

#include "bench/reference/network/shared/attention_pairs.h"

namespace orthokit::bench {

namespace {

// The sums; or, `sized`, the sizes of their terms: of what `of` makes of p and of the slopes and of
// the sizes that these round by.
template <bool sized, class Of>
std::vector<double> sums_of(const AttentionTangent& op, Of&& of) {
  const AttentionPairs pairs(op),
      along(op, op.qkv ? op.tangent_qkv : op.tangent_q, op.qkv ? op.tangent_qkv : op.tangent_kv);
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
      const double weight = of(p, p * moved),
                   slope = of(
                       p * h.scale * (moved_query.sum() + moved_key.sum()),
                       p * moved * std::abs(h.scale) * (moved_query.terms() + moved_key.terms()));
      for (int64_t c = 0; c < h.size; ++c) {
        const double v = pairs.value(b, head, key)[c], own = values(op.out)[at + c],
                     v_tangent = along.value(b, head, key)[c];
        sums[size_t(at + c)] +=
            sized ? slope * (std::abs(v) + std::abs(own)) + weight * std::abs(v_tangent)
                  : slope * (v - own) + weight * v_tangent;
      }
    }
  });
  return sums;
}

void attention_tangent(const AttentionTangent& op) {
  const std::vector<double> sums = sums_of<false>(op, [](double x, double) { return x; });
  std::ranges::copy(sums, values(op.out_tangent));
}

}  // namespace

ORTHOKIT_REFERENCE(AttentionTangent, attention_tangent,
                   product_growth(std::max(heads_of(op).keys, heads_of(op).size)));

// As of the gradients: scores and products round by the sizes of their terms, then terms cancel.
static std::vector<double> terms_of(const AttentionTangent& op, std::string_view) {
  const double growth = growth_of(op);
  return sums_of<true>(op, [&](double x, double size) {
    return size + rounding_of(attention_dtype(op), x, growth);
  });
}
ORTHOKIT_TERMS(AttentionTangent, terms_of);

}  // namespace orthokit::bench
