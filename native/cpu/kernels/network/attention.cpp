#include "ops/network/attention.h"

#include "cpu/kernels/network/shared/attention_unit.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

namespace {

// Some tiles of queries of a head.
template <class S, class T>
class AttentionForward {
 public:
  AttentionForward(const Attention& op, const AttentionHeads& heads)
      : h_(heads),
        padded_(rounded_up(heads.size, kStep)),
        query_(op.q ? op.q.as<S>() : op.qkv.as<S>()),
        key_(op.kv ? op.kv.as<S>() : op.qkv.as<S>()),
        lengths_(op.lengths.as<int32_t>()),
        out_(op.out.as<S>()),
        log_sums_(op.log_sums.as<T>()) {}

  static int64_t scratch(const AttentionHeads& h) {
    const int64_t padded = rounded_up(h.size, kStep);
    return (2 * Pieces::bytes<T>(KeyPlaces::most(h) * padded) +
            3 * Pieces::bytes<T>(kTilePlaces * padded) +
            Pieces::bytes<T>(kTilePlaces * kTilePlaces)) /
           int64_t(sizeof(double));
  }

  void run(int64_t b, int64_t head, int64_t first, int64_t last, double* slot) const {
    const KeyPlaces places(h_, lengths_, b);
    Pieces pieces(slot);
    const int64_t keys = KeyPlaces::most(h_) * padded_, tile = kTilePlaces * padded_;
    const int64_t kv_head = head / h_.group();
    Tile t{};
    T *key_rows = pieces.take<T>(keys), *value_rows = pieces.take<T>(keys);
    t.columns = pieces.take<T>(tile), t.sums = pieces.take<T>(tile), t.rows = pieces.take<T>(tile);
    t.scores = pieces.take<T>(kTilePlaces * kTilePlaces);
    t.keys = rows_of(h_, places, key_ + h_.key_at(b, kv_head), padded_, key_rows);
    t.values = rows_of(h_, places, key_ + h_.value_at(b, kv_head), padded_, value_rows);
    for (int64_t i = first; i < last; i += kTilePlaces)
      run_tile(places, b, head, i, std::min(kTilePlaces, last - i), t);
  }

 private:
  struct Tile {  // scratch memory, and the rows that it goes through
    HeadRows<T> keys, values;
    T *columns, *sums, *rows, *scores;
  };

  void run_tile(const KeyPlaces& places, int64_t b, int64_t head, int64_t i, int64_t queries,
                const Tile& t) const {
    alignas(64) T max[kTilePlaces], sum[kTilePlaces], part[kTilePlaces], factors[kTilePlaces];
    const int64_t width = rounded_up(queries, kStep);
    pack_columns(tile_rows(query_ + h_.query_at(b, head) + i * h_.query_stride(), h_.query_stride(),
                           queries, h_.size, t.rows),
                 queries, width, h_.size, T(h_.scale * std::numbers::log2e), t.columns);
    places.for_tiles(h_, i, width, [&](int64_t at, const TileKeys& keys, bool begins) {
      score_tile(keys, h_.size, t.keys.at(at), t.keys.stride, t.columns, t.scores);
      raise_maximum(keys, begins, t.scores, max, factors);
      exponentials(keys, max, t.scores, part);
      for (int64_t q = 0; q < width; ++q)
        sum[q] = begins ? part[q] : fused(sum[q], factors[q], part[q]);
      const T* values = t.values.at(at);
      if (begins)
        value_tile<Start::kZero>(keys, padded_, values, t.values.stride, t.scores, t.sums);
      else
        value_tile<Start::kScale>(keys, padded_, values, t.values.stride, t.scores, t.sums,
                                  factors);
    });
    store(places, b, head, i, queries, max, sum, t);
  }

  void store(const KeyPlaces& places, int64_t b, int64_t head, int64_t i, int64_t queries,
             const T* max, T* sum, const Tile& t) const {
    const int64_t blind = std::clamp<int64_t>(places.blind(h_) - i, 0, queries);
    T* log_sums = log_sums_ + h_.sums_at(b, head) + i;
    S* out = out_ + h_.out_at(b, head) + i * h_.width();
    for (int64_t q = 0; q < queries; ++q)
      log_sums[q] = q < blind ? -std::numeric_limits<T>::infinity()
                              : T(max[q] * T(std::numbers::ln2) + std::log(sum[q]));
    if (blind < queries) {
      for (int64_t q = 0; q < queries; ++q) sum[q] = 1 / sum[q];
      for (int64_t c = 0; c < h_.size; ++c)
        for (int64_t q = 0; q < queries; ++q) t.sums[c * kTilePlaces + q] *= sum[q];
      if constexpr (std::is_same_v<S, T>) {
        transpose_rows(t.sums, kTilePlaces, h_.size, queries, T(1), out, h_.width());
      } else {
        transpose_rows(t.sums, kTilePlaces, h_.size, queries, T(1), t.rows, padded_);
        for (int64_t q = 0; q < queries; ++q)
          for (int64_t c = 0; c < h_.size; ++c)
            out[q * h_.width() + c] = convert<S>(t.rows[q * padded_ + c]);
      }
    }
    for (int64_t q = 0; q < blind; ++q) std::fill_n(out + q * h_.width(), h_.size, S{});
  }

  const AttentionHeads h_;
  const int64_t padded_;  // elements of a head in scratch memory
  const S *query_, *key_;
  const int32_t* lengths_;
  S* out_;
  T* log_sums_;
};

}  // namespace

void attention(const Attention& op, Stream& stream) {
  const AttentionHeads h = heads_of(op);
  visit_attention(attention_dtype(op), [&]<class S, class T>() {
    for_query_parts(stream, h, AttentionForward<S, T>(op, h));
  });
}
ORTHOKIT_KERNEL(Attention, attention);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
