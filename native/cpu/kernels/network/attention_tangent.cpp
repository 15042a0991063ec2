#include "ops/network/attention_tangent.h"

#include "cpu/kernels/network/shared/attention_unit.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

namespace {

// Some tiles of queries of a head.
template <class S, class T>
class AttentionTangents {
 public:
  AttentionTangents(const AttentionTangent& op, const AttentionHeads& heads)
      : op_(op), h_(heads), padded_(rounded_up(heads.size, kStep)) {}

  static int64_t scratch(const AttentionHeads& h) {
    const int64_t padded = rounded_up(h.size, kStep);
    return (4 * Pieces::bytes<T>(KeyPlaces::most(h) * padded) +
            4 * Pieces::bytes<T>(kTilePlaces * padded) +
            2 * Pieces::bytes<T>(kTilePlaces * kTilePlaces)) /
           int64_t(sizeof(double));
  }

  void run(int64_t b, int64_t head, int64_t first, int64_t last, double* slot) const {
    const KeyPlaces places(h_, op_.lengths.as<int32_t>(), b);
    Pieces pieces(slot);
    const int64_t keys = KeyPlaces::most(h_) * padded_, tile = kTilePlaces * padded_;
    const int64_t kv_head = head / h_.group();
    const S *from = (op_.qkv ? op_.qkv : op_.kv).as<S>(),
            *along = (op_.qkv ? op_.tangent_qkv : op_.tangent_kv).as<S>();
    const auto rows = [&](const S* x, int64_t at) {
      return rows_of(h_, places, x + at, padded_, pieces.take<T>(keys));
    };
    Tile t{rows(from, h_.key_at(b, kv_head)), rows(from, h_.value_at(b, kv_head)),
           rows(along, h_.key_at(b, kv_head)), rows(along, h_.value_at(b, kv_head))};
    for (T** piece : {&t.columns, &t.tangent_columns, &t.sums, &t.rows})
      *piece = pieces.take<T>(tile);
    t.p = pieces.take<T>(kTilePlaces * kTilePlaces);
    t.slopes = pieces.take<T>(kTilePlaces * kTilePlaces);
    for (int64_t i = first; i < last; i += kTilePlaces)
      run_tile(places, b, head, i, std::min(kTilePlaces, last - i), t);
  }

 private:
  struct Tile {  // the rows that a tile goes through, and scratch memory
    HeadRows<T> keys, values, key_tangents, value_tangents;
    T *columns, *tangent_columns, *sums, *rows, *p, *slopes;
  };

  void run_tile(const KeyPlaces& places, int64_t b, int64_t head, int64_t i, int64_t queries,
                const Tile& t) const {
    alignas(64) T log_sums[kTilePlaces] = {}, totals[kTilePlaces] = {}, unused[kTilePlaces];
    const int64_t width = rounded_up(queries, kStep), stride = h_.query_stride(),
                  at = h_.query_at(b, head) + i * stride,
                  blind = std::clamp<int64_t>(places.blind(h_) - i, 0, queries);
    const auto pack = [&](const View& x, T* columns) {
      pack_columns(tile_rows(x.as<S>() + at, stride, queries, h_.size, t.rows), queries, width,
                   h_.size, T(h_.scale * std::numbers::log2e), columns);
    };
    pack(op_.qkv ? op_.qkv : op_.q, t.columns);
    pack(op_.qkv ? op_.tangent_qkv : op_.tangent_q, t.tangent_columns);
    for (int64_t q = blind; q < queries; ++q)
      log_sums[q] = op_.log_sums.as<T>()[h_.sums_at(b, head) + i + q] * T(std::numbers::log2e);
    places.for_tiles(h_, i, width, [&](int64_t place, const TileKeys& keys, bool begins) {
      const auto score = [&]<Start start>(const HeadRows<T>& rows, const T* columns, T* scores) {
        score_tile<start>(keys, h_.size, rows.at(place), rows.stride, columns, scores);
      };
      score.template operator()<Start::kZero>(t.keys, t.columns, t.p);
      exponentials(keys, log_sums, t.p, unused);
      score.template operator()<Start::kZero>(t.keys, t.tangent_columns, t.slopes);
      score.template operator()<Start::kAdd>(t.key_tangents, t.columns, t.slopes);
      multiply_slopes(keys, totals, t);
      const auto add = [&]<Start start>(const HeadRows<T>& rows, const T* p) {
        value_tile<start>(keys, padded_, rows.at(place), rows.stride, p, t.sums);
      };
      if (begins)
        add.template operator()<Start::kZero>(t.values, t.slopes);
      else
        add.template operator()<Start::kAdd>(t.values, t.slopes);
      add.template operator()<Start::kAdd>(t.value_tangents, t.p);
    });
    write(b, head, i, queries, blind, totals, t);
  }

  // slopes = p slopes, in the logarithm's own base again, and their sums per query.
  void multiply_slopes(const TileKeys& keys, T* totals, const Tile& t) const {
    constexpr int64_t kLanes = kVectorSize<T>;
    for (int64_t q = 0; q < keys.width; q += kLanes) {
      Vector<T> total, p, slope;
      load<T>(totals + q, total);
      const int64_t last =
          keys.diagonal ? std::min(keys.rows(), rounded_up(q + 1, kStep)) : keys.rows();
      for (int64_t key = 0; key < last; ++key) {
        const int64_t at = key * kTilePlaces + q;
        load<T>(t.p + at, p), load<T>(t.slopes + at, slope);
        slope *= p * T(std::numbers::ln2);
        total += slope;
        store<T>(slope, t.slopes + at);
      }
      store<T>(total, totals + q);
    }
  }

  void write(int64_t b, int64_t head, int64_t i, int64_t queries, int64_t blind, const T* totals,
             const Tile& t) const {
    const int64_t at = h_.out_at(b, head) + i * h_.width();
    const S* out = op_.out.as<S>() + at;
    S* to = op_.out_tangent.as<S>() + at;
    if (blind < queries)
      transpose_rows(t.sums, kTilePlaces, h_.size, queries, T(1), t.rows, padded_);
    for (int64_t q = 0; q < queries; ++q)
      for (int64_t c = 0; c < h_.size; ++c) {
        const int64_t own = q * h_.width() + c;
        to[own] = convert<S>(
            q < blind ? T(0) : fused(-totals[q], convert<T>(out[own]), t.rows[q * padded_ + c]));
      }
  }

  const AttentionTangent& op_;
  const AttentionHeads h_;
  const int64_t padded_;  // elements of a head in scratch memory
};

}  // namespace

void attention_tangent(const AttentionTangent& op, Stream& stream) {
  const AttentionHeads h = heads_of(op);
  visit_attention(attention_dtype(op), [&]<class S, class T>() {
    for_query_parts(stream, h, AttentionTangents<S, T>(op, h));
  });
}
ORTHOKIT_KERNEL(AttentionTangent, attention_tangent);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
