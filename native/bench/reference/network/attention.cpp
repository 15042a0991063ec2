#include "ops/network/attention.h"

#include "bench/reference/network/shared/attention_sums.h"

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
    const bool is_nothing = std::ranges::all_of(s, [](double x) { return x == -HUGE_VAL; });
    values(op.log_sums)[h.sums_at(b, head) + i] =
        is_nothing ? -HUGE_VAL : double(largest + std::log(sum));
    for (size_t j = 0; j < s.size(); ++j)
      for (int64_t c = 0; c < h.size; ++c)
        out[c] += double(exponential(s[j] - largest) / sum) * pairs.value(b, head, int64_t(j))[c];
  });
}
ORTHOKIT_REFERENCE(Attention, attention,
                   product_growth(std::max(heads_of(op).keys, heads_of(op).size)));

// The logarithm of the sum of the exponentials of x + y.
static double log_sum_of(std::vector<double> x, const std::vector<double>& y) {
  for (size_t j = 0; j < x.size(); ++j) x[j] += y[j];
  const int64_t size = int64_t(x.size());
  return largest_of(x.data(), size) + double(std::log(sum_of_exps(x.data(), size)));
}

// Scores are off, which moves p by as much relative to itself, but to no more than 1, and the mean
// by p's distance from it; then comes a sum of which the terms cancel.
static std::vector<double> terms_of(const Attention& op, std::string_view tensor) {
  const AttentionPairs pairs(op);
  const AttentionHeads& h = pairs.heads;
  const double growth = growth_of(op);
  std::vector<PairSum> sums(size_t(h.batch * h.queries * h.width()));
  std::vector<double> of_logs(size_t(h.batch * h.queries * h.heads), 0.0);
  pairs.for_queries([&](int64_t b, int64_t head, int64_t i) {
    const std::vector<double> s = pairs.scores(b, head, i);
    if (s.empty()) return;
    double most = 0;
    for (double x : s) most = std::max(most, std::abs(x));
    const std::vector<double> off = pairs.scores_off(b, head, i, most);
    const double log_sum = log_sum_of(s, std::vector<double>(s.size(), 0.0)),
                 sum_off = log_sum_of(s, off) - log_sum;
    of_logs[size_t(h.sums_at(b, head) + i)] = 2 + most + sum_off / (growth * pairs.unit);
    const int64_t at = h.out_at(b, head) + i * h.width();
    for (size_t j = 0; j < s.size(); ++j) {
      const double x = s[j] - log_sum, by = off[j] + sum_off;
      const PairWeight own(std::min(x, -by), by, pairs.unit);
      const double p = std::exp(x);
      PairFactor factor{p, own.off, s[j], 0, most_half_rounding(attention_dtype(op), p)};
      factor.flushed = own.flushed;
      const double* value = pairs.value(b, head, int64_t(j));
      for (int64_t c = 0; c < h.size; ++c)
        sums[size_t(at + c)].add(factor, value[c], value[c] - values(op.out)[at + c]);
    }
  });
  if (tensor == "logSums") return of_logs;
  std::vector<double> terms = terms_of_sums(sums, growth, pairs.unit);
  pairs.for_queries([&](int64_t b, int64_t head, int64_t i) {
    if (pairs.seen(b, i) > 0 && !pairs.are_keys_finite(b, head))
      make_unsteady(terms, op.out, h.out_at(b, head) + i * h.width(), h.size);
  });
  return terms;
}
ORTHOKIT_ALL_TERMS(Attention, terms_of);

}  // namespace orthokit::bench
