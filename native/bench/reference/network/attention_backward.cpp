#include "ops/network/attention_backward.h"

#include "bench/reference/network/shared/attention_pairs.h"

namespace orthokit::bench {

namespace {

// The sums of the gradients, or the sizes of their terms.
struct AttentionSums {
  std::vector<double> q, kv;  // as qkv, or as q and kv
};

// body(b, head, i, j, p, slope, the sizes that p and the slope round by).
template <class Body>
void for_slopes(const AttentionBackward& op, Body&& body) {
  const AttentionPairs pairs(op);
  const AttentionHeads& h = pairs.heads;
  pairs.for_queries([&](int64_t b, int64_t head, int64_t i) {
    const double log_sum = values(op.log_sums)[h.sums_at(b, head) + i];
    const int64_t at = h.out_at(b, head) + i * h.width();
    const InnerProduct own{values(op.grad) + at, 1, values(op.out) + at, 1, h.size};
    const std::vector<double> s = pairs.scores(b, head, i), sizes = pairs.score_sizes(b, head, i);
    for (size_t j = 0; j < s.size(); ++j) {
      const InnerProduct product{values(op.grad) + at, 1, pairs.value(b, head, int64_t(j)), 1,
                                 h.size};
      const double p = std::exp(s[j] - log_sum), moved = 1 + sizes[j] + std::abs(log_sum);
      body(b, head, i, int64_t(j), p, p * (product.sum() - own.sum()), p * moved,
           p * moved * (product.terms() + own.terms()));
    }
  });
}

// Adds, for all pairs, what `of` makes of the four numbers and the elements that they multiply.
template <class Of>
AttentionSums sums_of(const AttentionBackward& op, Of&& of) {
  const AttentionPairs pairs(op);
  const AttentionHeads& h = pairs.heads;
  AttentionSums sums;
  sums.q.assign(size_t(h.batch * h.queries * h.query_stride()), 0.0);
  if (!h.packed) sums.kv.assign(size_t(h.batch * h.keys * h.key_stride()), 0.0);
  std::vector<double>& kv = h.packed ? sums.q : sums.kv;
  for_slopes(op, [&](int64_t b, int64_t head, int64_t i, int64_t j, double p, double slope,
                     double p_size, double slope_size) {
    const double *q = pairs.query(b, head, i), *k = pairs.key(b, head, j),
                 *grad = values(op.grad) + h.out_at(b, head) + i * h.width();
    const int64_t place = j * h.key_stride(), kv_head = head / h.group();
    for (int64_t c = 0; c < h.size; ++c) {
      sums.q[size_t(h.query_at(b, head) + i * h.query_stride() + c)] +=
          of(slope, slope_size, h.scale * k[c]);
      kv[size_t(h.key_at(b, kv_head) + place + c)] += of(slope, slope_size, h.scale * q[c]);
      kv[size_t(h.value_at(b, kv_head) + place + c)] += of(p, p_size, grad[c]);
    }
  });
  return sums;
}

void add(const AttentionBackward& op, const View& to, const std::vector<double>& sums) {
  if (!to) return;
  for (size_t i = 0; i < sums.size(); ++i)
    values(to)[i] = sums[i] + (op.beta == 0 ? 0 : values(to)[i]);
}

void attention_backward(const AttentionBackward& op) {
  const AttentionSums sums =
      sums_of(op, [](double x, double, double factor) { return x * factor; });
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

// Scores, logarithms of sums and the two products of a slope round by the sizes of their terms;
// then come sums of which the terms cancel.
static std::vector<double> terms_of(const AttentionBackward& op, std::string_view tensor) {
  const double growth = growth_of(op);
  const auto term = [&](double x, double size, double factor) {
    return (size + rounding_of(attention_dtype(op), x, growth)) * std::abs(factor);
  };
  const AttentionSums sums = sums_of(op, term),
                      squares = sums_of(op, [&](double x, double size, double factor) {
                        return std::pow(kFurthest * term(x, size, factor), 2);
                      });
  if (tensor == "gradKv") {
    std::vector<double> terms = together(sums.kv, squares.kv);
    if (op.grad_kv) make_keys_unsteady(op, op.grad_kv, terms);
    return terms;
  }
  std::vector<double> terms = together(sums.q, squares.q);
  if (tensor == "gradQ" || tensor == "gradQkv")
    make_queries_unsteady(op, op.qkv ? op.grad_qkv : op.grad_q, terms);
  if (tensor == "gradQkv") make_keys_unsteady(op, op.grad_qkv, terms);
  return terms;
}
ORTHOKIT_TERMS(AttentionBackward, terms_of);

}  // namespace orthokit::bench
