#include "ops/network/cached_attention.h"

#include "cpu/kernels/network/shared/attention_scores.h"
#include "cpu/kernels/network/shared/attention_unit.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

namespace {

// A head of keys and values of one stream: its new places one after the other.
template <class S, class T>
class CachedHead {
 public:
  static constexpr int64_t kLanes = kVectorSize<T>;
  // Sums that are made at once, of neighbouring keys or elements: a cache line or more of them.
  static constexpr int64_t kTogether = 4 * kLanes;

  CachedHead(const CachedAttention& op, int64_t pair)
      : h_(op.places()),
        room_(op.room()),
        b_(pair / h_.kv_heads),
        kv_head_(pair % h_.kv_heads),
        qkv_(op.qkv.as<S>() + b_ * h_.queries * h_.query_stride()),
        keys_(op.keys.as<S>() + pair * h_.size * room_),
        values_(op.values.as<S>() + pair * h_.size * room_),
        out_(op.out ? op.out.as<S>() + b_ * h_.queries * h_.width() : nullptr) {}

  // A query, its scores, its sums.
  static int64_t scratch(const CachedAttention& op) {
    const AttentionHeads h = op.places();
    return Pieces::bytes<T>(h.size) + Pieces::bytes<T>(rounded_up(op.room(), kTogether)) +
           Pieces::bytes<T>(rounded_up(h.size, kTogether));
  }

  void run(const NewPlaces& places, double* slot) {
    Pieces pieces(slot);
    query_ = pieces.take<T>(h_.size);
    scores_ = pieces.take<T>(rounded_up(room_, kTogether));
    sums_ = pieces.take<T>(rounded_up(h_.size, kTogether));
    // Without queries, what would be written over is left out.
    const int64_t first = out_ ? 0 : std::max<int64_t>(places.count - room_, 0);
    for (int64_t i = first; i < (out_ ? h_.queries : places.count); ++i) {
      const S* place = qkv_ + i * h_.query_stride();
      if (i < places.count) append(place, places.slot(i, room_));
      for (int64_t k = 0; out_ && k < h_.group(); ++k) {
        const int64_t at = (kv_head_ * h_.group() + k) * h_.size;
        attend(place + at, places.seen(i, room_), out_ + i * h_.width() + at);
      }
    }
  }

 private:
  void append(const S* place, int64_t slot) const {
    const S* key = place + h_.width() + kv_head_ * h_.size;
    for (int64_t c = 0; c < h_.size; ++c) keys_[c * room_ + slot] = key[c];
    std::copy_n(key + h_.kv_heads * h_.size, h_.size, values_ + slot * h_.size);
  }

  void attend(const S* query, int64_t seen, S* out) const {
    if (seen == 0) {
      std::fill_n(out, h_.size, S{});
      return;
    }
    const T factor = T(h_.scale * std::numbers::log2e);
    for (int64_t c = 0; c < h_.size; ++c) query_[c] = convert<T>(query[c]) * factor;
    sum_rows(h_.size, query_, keys_, room_, seen, room_, scores_);
    const T sum = exponentials(seen);
    sum_rows(seen, scores_, values_, h_.size, h_.size, h_.size, sums_);
    for (int64_t c = 0; c < h_.size; ++c) out[c] = convert<S>(sums_[c] / sum);
  }

  // p = 2^(s − max) in place, and their sum.
  T exponentials(int64_t seen) const {
    for (int64_t j = seen; j < rounded_up(seen, kLanes); ++j)
      scores_[j] = -std::numeric_limits<T>::infinity();
    Vector<T> most, p, sums = {};
    spread<T>(std::numeric_limits<T>::lowest(), most);
    for (int64_t j = 0; j < seen; j += kLanes) {
      load<T>(scores_ + j, p);
      raise<T>(p, most);
    }
    T largest = most[0], sum = 0;
    for (int64_t l = 1; l < kLanes; ++l) largest = std::max(largest, T(most[l]));
    spread<T>(largest, most);
    for (int64_t j = 0; j < seen; j += kLanes) {
      load<T>(scores_ + j, p);
      exp2_of(p - most, p);
      store<T>(p, scores_ + j);
      sums += p;
    }
    for (int64_t l = 0; l < kLanes; ++l) sum += sums[l];
    return sum;
  }

  // out = Σₖ factors[k] rows[k], the first n elements; rows have `columns`, `stride` apart. Of the
  // memory behind n, as far as a row goes, sums are made too.
  void sum_rows(int64_t count, const T* factors, const S* rows, int64_t stride, int64_t n,
                int64_t columns, T* out) const {
    int64_t at = 0;
    for (; at < n && at + kTogether <= columns; at += kTogether)
      sum_block<4>(count, factors, rows + at, stride, kTogether, out + at);
    for (; at < n && at + 2 * kLanes <= columns; at += 2 * kLanes)
      sum_block<2>(count, factors, rows + at, stride, 2 * kLanes, out + at);
    for (; at < n; at += kLanes)
      sum_block<1>(count, factors, rows + at, stride, std::min(kLanes, columns - at), out + at);
  }

  // Of as many elements as vectors hold, or fewer that lie there.
  template <int vectors>
  static void sum_block(int64_t count, const T* factors, const S* rows, int64_t stride, int64_t n,
                        T* out) {
    Vector<T> sum[vectors] = {}, factor;
    alignas(64) T some[vectors * kLanes] = {};
    const bool in_place = std::is_same_v<S, T> && n == vectors * kLanes;
    for (int64_t k = 0; k < count; ++k, rows += stride) {
      spread<T>(factors[k], factor);
      if (!in_place)
        for (int64_t l = 0; l < n; ++l) some[l] = convert<T>(rows[l]);
      const T* from = some;
      if constexpr (std::is_same_v<S, T>)
        if (in_place) from = rows;
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) add_product<T>(factor, from + v * kLanes, sum[v]);
    }
    for (int v = 0; v < vectors; ++v) store<T>(sum[v], out + v * kLanes);
  }

  const AttentionHeads h_;
  const int64_t room_, b_, kv_head_;
  const S* qkv_;
  S *keys_, *values_, *out_;
  T *query_ = nullptr, *scores_ = nullptr, *sums_ = nullptr;
};

template <class S, class T>
void run_heads(const CachedAttention& op, Stream& stream) {
  const int64_t kv_heads = op.keys.shape[1];
  const auto* positions = op.positions.as<int32_t>();
  const auto* lengths = op.lengths.as<int32_t>();
  const Slots slots(stream, CachedHead<S, T>::scratch(op) / int64_t(sizeof(double)));
  stream.parallel(op.qkv.shape[0] * kv_heads, [&](int64_t pair) {
    const int64_t b = pair / kv_heads;
    const NewPlaces places =
        new_places(positions[b], lengths ? lengths + b : nullptr, op.qkv.shape[1]);
    slots.borrow([&](double* slot) { CachedHead<S, T>(op, pair).run(places, slot); });
  });
  if (!op.next) return;
  for (int64_t b = 0; b < op.next.size(); ++b) {
    const NewPlaces places =
        new_places(positions[b], lengths ? lengths + b : nullptr, op.qkv.shape[1]);
    op.next.as<int32_t>()[b] = places.end();
  }
}

}  // namespace

void cached_attention(const CachedAttention& op, Stream& stream) {
  visit_attention(op.qkv.dtype, [&]<class S, class T>() { run_heads<S, T>(op, stream); });
}
ORTHOKIT_KERNEL(CachedAttention, cached_attention);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
