#include "ops/network/attention_backward.h"

#include "cpu/kernels/network/shared/attention_unit.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

namespace {

// All queries that some keys and values serve: what their gradients are sums over is one thread's.
template <class S, class T>
class AttentionGradients {
 public:
  AttentionGradients(const AttentionBackward& op, const AttentionHeads& heads)
      : op_(op),
        h_(heads),
        padded_(rounded_up(heads.size, kStep)),
        query_(op.q ? op.q.as<S>() : op.qkv.as<S>()),
        key_(op.kv ? op.kv.as<S>() : op.qkv.as<S>()),
        grad_query_(op.qkv ? op.grad_qkv.as<S>() : op.grad_q.as<S>()),
        grad_key_(op.qkv ? op.grad_qkv.as<S>() : op.grad_kv.as<S>()) {}

  static int64_t scratch(const AttentionHeads& h) {
    const int64_t padded = rounded_up(h.size, kStep);
    return (4 * Pieces::bytes<T>(KeyPlaces::most(h) * padded) +
            5 * Pieces::bytes<T>(kTilePlaces * padded) +
            2 * Pieces::bytes<T>(kTilePlaces * kTilePlaces)) /
           int64_t(sizeof(double));
  }

  void run(int64_t b, int64_t kv_head, double* slot) const {
    const KeyPlaces places(h_, op_.lengths.as<int32_t>(), b);
    Pieces pieces(slot);
    const int64_t all = KeyPlaces::most(h_) * padded_, tile = kTilePlaces * padded_;
    Tile t{};
    T *key_rows = pieces.take<T>(all), *value_rows = pieces.take<T>(all);
    t.grad_keys = pieces.take<T>(all), t.grad_values = pieces.take<T>(all);
    for (T** piece : {&t.query_rows, &t.query_columns, &t.grad_rows, &t.grad_columns, &t.sums})
      *piece = pieces.take<T>(tile);
    t.p = pieces.take<T>(kTilePlaces * kTilePlaces);
    t.slopes = pieces.take<T>(kTilePlaces * kTilePlaces);
    t.keys = rows_of(h_, places, key_ + h_.key_at(b, kv_head), padded_, key_rows);
    t.values = rows_of(h_, places, key_ + h_.value_at(b, kv_head), padded_, value_rows);
    std::fill_n(t.grad_keys, places.tiled * padded_, T(0));
    std::fill_n(t.grad_values, places.tiled * padded_, T(0));
    for (int64_t head = kv_head * h_.group(); head < (kv_head + 1) * h_.group(); ++head)
      for (int64_t i = 0; i < h_.queries; i += kTilePlaces)
        run_tile(places, b, head, i, std::min(kTilePlaces, h_.queries - i), t);
    if (!grad_key_) return;
    const int64_t before = places.before * padded_;
    for (int64_t j = 0; j < h_.keys; ++j) {
      const T *k = t.grad_keys + before + j * padded_, *v = t.grad_values + before + j * padded_;
      const bool counts = j < places.counted;
      S *to_key = grad_key_ + h_.key_at(b, kv_head) + j * h_.key_stride(),
        *to_value = grad_key_ + h_.value_at(b, kv_head) + j * h_.key_stride();
      write(counts ? k : nullptr, T(h_.scale), to_key);
      write(counts ? v : nullptr, T(1), to_value);
    }
  }

 private:
  struct Tile {  // scratch memory, and the rows that it goes through
    HeadRows<T> keys, values;
    T *grad_keys, *grad_values, *query_rows, *query_columns, *grad_rows, *grad_columns, *sums;
    T *p, *slopes;  // of tile's scores
  };

  void run_tile(const KeyPlaces& places, int64_t b, int64_t head, int64_t i, int64_t queries,
                const Tile& t) const {
    alignas(64) T log_sums[kTilePlaces] = {}, products[kTilePlaces] = {}, unused[kTilePlaces];
    const int64_t width = rounded_up(queries, kStep), stride = h_.query_stride(),
                  at = h_.query_at(b, head) + i * stride,
                  at_out = h_.out_at(b, head) + i * h_.width(),
                  blind = std::clamp<int64_t>(places.blind(h_) - i, 0, queries);
    // Queries that see nothing are as those that do not exist: they add nothing to any sum.
    pack_rows(query_ + at + blind * stride, stride, blind, queries - blind, width, h_.size, padded_,
              t.query_rows);
    pack_rows(op_.grad.as<S>() + at_out + blind * h_.width(), h_.width(), blind, queries - blind,
              width, h_.size, padded_, t.grad_rows);
    transpose_rows(t.query_rows, padded_, width, h_.size, T(h_.scale * std::numbers::log2e),
                   t.query_columns, kTilePlaces);
    transpose_rows(t.grad_rows, padded_, width, h_.size, T(1), t.grad_columns, kTilePlaces);
    for (int64_t q = blind; q < queries; ++q) {
      log_sums[q] = op_.log_sums.as<T>()[h_.sums_at(b, head) + i + q] * T(std::numbers::log2e);
      products[q] = dot(op_.out.as<S>() + at_out + q * h_.width(), t.grad_rows + q * padded_);
    }
    bool any = false;
    places.for_tiles(h_, i, width, [&](int64_t place, const TileKeys& keys, bool begins) {
      any = true;
      score_tile(keys, h_.size, t.keys.at(place), t.keys.stride, t.query_columns, t.p);
      exponentials(keys, log_sums, t.p, unused);
      score_tile(keys, h_.size, t.values.at(place), t.values.stride, t.grad_columns, t.slopes);
      multiply_slopes(keys, products, t);
      add_products(keys, place, begins, t);
    });
    if (!grad_query_) return;
    S* to = grad_query_ + at;
    for (int64_t q = 0; q < queries; ++q, to += stride)
      write(any && q >= blind ? t.sums + q * padded_ : nullptr, T(h_.scale), to);
  }

  // In four sums, so that one need not wait for the other.
  T dot(const S* x, const T* y) const {
    T sum[4] = {};
    int64_t c = 0;
    for (; c + 4 <= h_.size; c += 4)
      for (int64_t l = 0; l < 4; ++l) sum[l] = fused(convert<T>(x[c + l]), y[c + l], sum[l]);
    for (; c < h_.size; ++c) sum[0] = fused(convert<T>(x[c]), y[c], sum[0]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
  }

  // slopes = p (slopes − products).
  void multiply_slopes(const TileKeys& keys, const T* products, const Tile& t) const {
    constexpr int64_t kLanes = kVectorSize<T>;
    for (int64_t q = 0; q < keys.width; q += kLanes) {
      Vector<T> product, p, slope;
      load<T>(products + q, product);
      const int64_t last =
          keys.diagonal ? std::min(keys.rows(), rounded_up(q + 1, kStep)) : keys.rows();
      for (int64_t key = 0; key < last; ++key) {
        const int64_t at = key * kTilePlaces + q;
        load<T>(t.p + at, p), load<T>(t.slopes + at, slope);
        store<T>(p * (slope - product), t.slopes + at);
      }
    }
  }

  // On the diagonal a key begins at its own queries, and a query ends at its own key.
  void add_products(const TileKeys& keys, int64_t place, bool begins, const Tile& t) const {
    const int64_t step = keys.diagonal ? kStep : kTilePlaces, padded = padded_;
    const int64_t key_rows = keys.diagonal ? std::min(keys.rows(), keys.width) : keys.rows();
    for (int64_t r = 0; r < key_rows; r += step) {
      const int64_t m = std::min(step, key_rows - r), from = keys.diagonal ? r : 0,
                    depth = keys.width - from, at = (place + r) * padded;
      multiply_tile<true, Start::kAdd>(m, padded, depth, t.p + r * kTilePlaces + from, kTilePlaces,
                                       t.grad_rows + from * padded, padded, t.grad_values + at,
                                       padded);
      multiply_tile<true, Start::kAdd>(m, padded, depth, t.slopes + r * kTilePlaces + from,
                                       kTilePlaces, t.query_rows + from * padded, padded,
                                       t.grad_keys + at, padded);
    }
    for (int64_t q = 0; q < keys.width; q += step) {
      const int64_t m = std::min(step, keys.width - q),
                    depth = keys.diagonal ? std::min(q + kStep, keys.rows()) : keys.rows();
      if (begins)
        multiply_tile<false, Start::kZero>(m, padded, depth, t.slopes + q, kTilePlaces,
                                           t.keys.at(place), t.keys.stride, t.sums + q * padded,
                                           padded);
      else
        multiply_tile<false, Start::kAdd>(m, padded, depth, t.slopes + q, kTilePlaces,
                                          t.keys.at(place), t.keys.stride, t.sums + q * padded,
                                          padded);
    }
  }

  // A row of a gradient: factor · x, or zeros where there is none, and beta times what was there.
  void write(const T* x, T factor, S* to) const {
    for (int64_t c = 0; c < h_.size; ++c) {
      const T value = x ? factor * x[c] : T(0);
      to[c] = convert<S>(op_.beta == 0 ? value : value + convert<T>(to[c]));
    }
  }

  const AttentionBackward& op_;
  const AttentionHeads h_;
  const int64_t padded_;  // elements of a head in scratch memory
  const S *query_, *key_;
  S *grad_query_, *grad_key_;
};

template <class S, class T>
void run_attention_backward(const AttentionBackward& op, const AttentionHeads& h, Stream& stream) {
  const AttentionGradients<S, T> gradients(op, h);
  if (h.batch == 0) return;
  const Slots slots(stream, AttentionGradients<S, T>::scratch(h));
  stream.parallel(h.batch * h.kv_heads, [&](int64_t unit) {
    slots.borrow([&](double* slot) { gradients.run(unit / h.kv_heads, unit % h.kv_heads, slot); });
  });
}

}  // namespace

void attention_backward(const AttentionBackward& op, Stream& stream) {
  const AttentionHeads h = heads_of(op);
  visit_attention(attention_dtype(op),
                  [&]<class S, class T>() { run_attention_backward<S, T>(op, h, stream); });
}
ORTHOKIT_KERNEL(AttentionBackward, attention_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
