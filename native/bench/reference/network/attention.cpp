#include "ops/network/attention.h"

#include "bench/reference/network/shared/attention_pairs.h"

namespace orthokit::bench {

static void attention(const Attention& op) {
  const AttentionPairs pairs(op);
  const AttentionHeads& h = pairs.heads;
  pairs.for_queries([&](int64_t b, int64_t head, int64_t i) {
    const std::vector<double> s = pairs.scores(b, head, i);
    double* out = values(op.out) + h.out_at(b, head) + i * h.width();
    std::fill_n(out, h.size, 0.0);
    const long double largest = largest_of(s.data(), int64_t(s.size())),
                      sum = sum_of_exps(s.data(), int64_t(s.size()));
    values(op.log_sums)[h.sums_at(b, head) + i] =
        s.empty() ? -HUGE_VAL : double(largest + std::log(sum));
    for (size_t j = 0; j < s.size(); ++j)
      for (int64_t c = 0; c < h.size; ++c)
        out[c] += double(exponential(s[j] - largest) / sum) * pairs.value(b, head, int64_t(j))[c];
  });
}
ORTHOKIT_REFERENCE(Attention, attention,
                   product_growth(std::max(heads_of(op).keys, heads_of(op).size)));

// Scores round by the size of the terms that they are sums of, which moves p by as much relative to
// itself; then the terms of a weighted mean, of which those of other signs cancel.
static std::vector<double> terms_of(const Attention& op, std::string_view tensor) {
  const AttentionPairs pairs(op);
  const AttentionHeads& h = pairs.heads;
  std::vector<double> terms(size_t(h.batch * h.queries * h.width()), 0.0),
      of_sums(size_t(h.batch * h.queries * h.heads), 0.0);
  pairs.for_queries([&](int64_t b, int64_t head, int64_t i) {
    const std::vector<double> p = softmax_of(pairs.scores(b, head, i)),
                              sizes = pairs.score_sizes(b, head, i);
    double mean = 0;
    for (size_t j = 0; j < p.size(); ++j) mean += p[j] * sizes[j];
    of_sums[size_t(h.sums_at(b, head) + i)] = 1 + mean;
    for (size_t j = 0; j < p.size(); ++j)
      for (int64_t c = 0; c < h.size; ++c)
        terms[size_t(h.out_at(b, head) + i * h.width() + c)] +=
            std::abs(pairs.value(b, head, int64_t(j))[c]) *
            (p[j] * (1 + sizes[j] + mean) + rounding_of(attention_dtype(op), p[j], growth_of(op)));
    if (!p.empty() && !pairs.are_keys_finite(b, head))
      make_unsteady(terms, op.out, h.out_at(b, head) + i * h.width(), h.size);
  });
  return tensor == "logSums" ? of_sums : terms;
}
ORTHOKIT_TERMS(Attention, terms_of);

}  // namespace orthokit::bench
