#include "ops/network/cached_attention.h"

#include "bench/reference/network/shared/attention_pairs.h"

namespace orthokit::bench {

namespace {

struct CachedHead {
  const CachedAttention& op;
  AttentionHeads h;
  int64_t b, kv_head, room;
  double* key(int64_t slot) const {  // its elements lie `room` apart
    return values(op.keys) + (b * h.kv_heads + kv_head) * h.size * room + slot;
  }
  double* value(int64_t slot) const {
    return values(op.values) + ((b * h.kv_heads + kv_head) * room + slot) * h.size;
  }
  const double* place(int64_t i) const {
    return values(op.qkv) + (b * h.queries + i) * h.query_stride();
  }

  void append(int64_t i, int64_t slot) const {
    const double* from = place(i) + h.width() + kv_head * h.size;
    for (int64_t c = 0; c < h.size; ++c)
      key(slot)[c * room] = from[c], value(slot)[c] = from[h.kv_heads * h.size + c];
  }
  void attend(int64_t i, int64_t head, int64_t seen) const {
    double* out = values(op.out) + (b * h.queries + i) * h.width() + head * h.size;
    std::fill_n(out, h.size, 0.0);
    std::vector<double> s(size_t(seen), 0.0);
    for (size_t j = 0; j < s.size(); ++j)
      s[j] =
          h.scale * InnerProduct{place(i) + head * h.size, 1, key(int64_t(j)), room, h.size}.sum();
    const std::vector<double> p = softmax(s.data(), seen);
    for (size_t j = 0; j < p.size(); ++j) {
      // Scores are off, so that a weight may be below the normal numbers that is not by itself.
      const double weight = 2 * faint(op.qkv.dtype, p[j] / 2);
      for (int64_t c = 0; c < h.size; ++c) out[c] += weight * value(int64_t(j))[c];
    }
  }
};

}  // namespace

static void cached_attention(const CachedAttention& op) {
  const AttentionHeads h = op.places();
  for (int64_t b = 0; b < h.batch; ++b) {
    const int32_t length = op.lengths ? int32_t(values(op.lengths)[b]) : 0;
    const NewPlaces places =
        new_places(int32_t(values(op.positions)[b]), op.lengths ? &length : nullptr, h.queries);
    for (int64_t kv_head = 0; kv_head < h.kv_heads; ++kv_head) {
      const CachedHead cached{op, h, b, kv_head, op.room()};
      for (int64_t i = 0; i < h.queries; ++i) {
        if (i < places.count) cached.append(i, places.slot(i, op.room()));
        for (int64_t head = kv_head * h.group(); op.out && head < (kv_head + 1) * h.group(); ++head)
          cached.attend(i, head, places.seen(i, op.room()));
      }
    }
    if (op.next) values(op.next)[b] = places.end();
  }
}
ORTHOKIT_REFERENCE(CachedAttention, cached_attention,
                   product_growth(std::max(op.room(), op.places().size)));

// An infinite value is one, or NaN where kernels take its weight as 0.
static std::vector<double> terms_of(const CachedAttention& op, std::string_view tensor) {
  if (tensor != "out") return {};
  std::vector<double> terms(size_t(op.out.size()), 0.0);
  for (size_t i = 0; i < terms.size(); ++i)
    if (std::isinf(values(op.out)[i])) terms[i] = kUnsteady;
  return terms;
}
ORTHOKIT_SOME_TERMS(CachedAttention, terms_of);

}  // namespace orthokit::bench
