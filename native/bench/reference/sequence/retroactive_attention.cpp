#include "ops/sequence/retroactive_attention.h"

#include "bench/reference/reference.h"
#include "bench/reference/shared/inner_product.h"

namespace orthokit::bench {

namespace {

// Of each element of sums and out in the last run. Rounding of small elements of a head is that of
// the largest one, as the operation says: weights below the smallest normal number may be 0; and
// what they make of an infinity is one, or NaN.
thread_local std::vector<double> terms_of_sums, terms_of_out;

// The magnitude that the rounding of a row's numbers is of. A row with an infinity is summed anew
// in every step: it is that of the largest number that it has now.
double size_of(const double* a, int64_t size) {
  if (std::isfinite(a[size + 3])) return a[size + 3];
  double largest = 0;
  for (int64_t c = 0; c < size; ++c)
    if (std::isfinite(a[c])) largest = std::max(largest, std::abs(a[c]));
  return largest;
}

struct WindowOfHead {
  const RetroactiveAttention& op;
  MovingWindow window;
  int64_t b, head, size, room;
  double* row(const View& v, int64_t i) const {
    return values(v) + ((b * op.heads + head) * room + i) * (v.shape[3]);
  }
  const double* fresh(const View& v) const { return values(v) + (b * op.heads + head) * size; }
  double score(int64_t i, const double* key) const {
    return InnerProduct{row(op.queries, i), 1, key, 1, size}.sum();
  }
  void sum(int64_t i) const {
    double* a = row(op.sums, i);
    std::vector<double> s;
    for (int64_t j = 0; j < window.seen(); ++j) s.push_back(score(i, row(op.keys, j)));
    // Of those that are numbers of the dtype: a NaN, and −∞ alone, leave its lowest one.
    double most = op.q.dtype == Dtype::kF64 ? std::numeric_limits<double>::lowest()
                                            : double(std::numeric_limits<float>::lowest());
    for (double score : s)
      if (score > most) most = score;
    std::fill_n(a, size, 0.0);
    double total = 0;
    for (int64_t j = 0; j < window.seen(); ++j) {
      const double w = std::exp2(s[size_t(j)] - most);
      total += w;
      for (int64_t c = 0; c < size; ++c) {
        a[c] += w * row(op.values, j)[c];
        note(a, c, w, row(op.values, j)[c]);
      }
    }
    a[size] = most, a[size + 1] = a[size + 2] = total, a[size + 3] = largest_of(a);
  }
  void note(const double* a, int64_t c, double weight, double value) const {
    constexpr double kLeastNormal = 0x1p-126;
    if (weight < kLeastNormal && std::isinf(value))
      term_of(a + c) = term_of(a + size + 3) = kUnsteady;
  }
  double& term_of(const double* sum) const { return terms_of_sums[size_t(sum - values(op.sums))]; }
  double largest_of(const double* a) const {
    double largest = 0;
    for (int64_t c = 0; c < size; ++c) largest = std::fmax(largest, std::abs(a[c]));
    return largest;
  }
  // False where the row must be summed anew.
  bool move(int64_t i, const std::vector<double>& key, const std::vector<double>& value) const {
    double* a = row(op.sums, i);
    const double above = score(i, fresh(op.k)) - a[size], w = std::exp2(above);
    const double gone = window.is_full() ? std::exp2(score(i, key.data()) - a[size]) : 0;
    const double total = a[size + 1] - gone + w;
    bool good = op.refresh == 0 && above <= RetroactiveAttention::kMostAbove &&
                total >= RetroactiveAttention::kLeastShare * a[size + 2] && std::isfinite(total);
    for (int64_t c = 0; c < size; ++c) {
      note(a, c, w, fresh(op.v)[c]);
      a[c] += w * fresh(op.v)[c];
      if (window.is_full()) a[c] -= gone * value[size_t(c)];
      good = good && std::isfinite(a[c]);
    }
    const double largest = largest_of(a);
    good = good && largest >= RetroactiveAttention::kLeastShare * a[size + 3];
    a[size + 1] = total, a[size + 2] = std::max(a[size + 2], total);
    a[size + 3] = std::fmax(a[size + 3], largest);
    return good;
  }
  int64_t run() const {
    const int64_t slot = window.slot();
    const std::vector<double> key(row(op.keys, slot), row(op.keys, slot) + size),
        value(row(op.values, slot), row(op.values, slot) + size);
    for (int64_t c = 0; c < size; ++c) {
      row(op.queries, slot)[c] = fresh(op.q)[c] * op.factor();
      row(op.keys, slot)[c] = fresh(op.k)[c], row(op.values, slot)[c] = fresh(op.v)[c];
    }
    int64_t count = 0;
    for (int64_t i = 0; i < window.seen(); ++i)
      if (i == slot || !move(i, key, value)) sum(i), ++count;
    for (int64_t c = 0; op.out && c < size; ++c) {
      const int64_t first = ((b * op.heads + head) * size + c) * room;
      double* out = values(op.out) + first;
      std::fill_n(out, room, 0.0);
      for (int64_t i = 0; i < window.seen(); ++i) {
        const double* a = row(op.sums, i);
        const double term = term_of(a + c);
        double& own = terms_of_out[size_t(first + window.column(i))];
        out[window.column(i)] = a[c] / a[size + 1];
        own = term == kUnsteady ? kUnsteady : size_of(a, size) / a[size + 1];
      }
    }
    return count;
  }
};

}  // namespace

static void retroactive_attention(const RetroactiveAttention& op) {
  terms_of_sums.assign(size_t(op.sums.size()), 0.0);
  terms_of_out.assign(op.out ? size_t(op.out.size()) : 0, 0.0);
  for (int64_t b = 0; b < op.streams(); ++b) {
    const MovingWindow window(int32_t(values(op.positions)[b]), op.room());
    for (int64_t head = 0; head < op.heads; ++head) {
      const int64_t count = WindowOfHead{op, window, b, head, op.size(), op.room()}.run();
      if (op.recomputed) values(op.recomputed)[b * op.heads + head] = double(count);
    }
    if (op.next) values(op.next)[b] = window.end();
  }
}
ORTHOKIT_REFERENCE(RetroactiveAttention, retroactive_attention,
                   product_growth(std::max(op.room(), op.size())));

static std::vector<double> terms_of(const RetroactiveAttention& op, std::string_view tensor) {
  if (tensor == "out") return terms_of_out;
  if (tensor != "sums") return {};
  const int64_t size = op.size(), row = size + 4;
  std::vector<double> terms = terms_of_sums;
  for (int64_t i = 0; i < op.sums.size(); ++i)
    if (i % row < size && terms[size_t(i)] != kUnsteady)
      terms[size_t(i)] = size_of(values(op.sums) + i / row * row, size);
  return terms;
}
ORTHOKIT_SOME_TERMS(RetroactiveAttention, terms_of);

}  // namespace orthokit::bench
