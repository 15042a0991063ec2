// Forward and backward passes of attention share this: the keys and values of a head, and the tiles
// that a tile of queries goes through.
#pragma once
#include <numbers>

#include "cpu/kernels/network/shared/attention_rows.h"
#include "cpu/kernels/network/shared/attention_scores.h"
#include "cpu/slots.h"
#include "ops/network/shared/attention_heads.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Pieces of a slot of scratch memory.
class Pieces {
 public:
  explicit Pieces(double* slot) : next_(reinterpret_cast<char*>(slot)) {}
  template <class T>
  T* take(int64_t count) {
    char* piece = next_;
    next_ += bytes<T>(count);
    return reinterpret_cast<T*>(piece);
  }
  template <class T>
  static int64_t bytes(int64_t count) {
    return rounded_up(count * int64_t(sizeof(T)), 64);
  }

 private:
  char* next_;
};

// The places of a sequence's keys in tiles. The last query's own key ends a step and a tile with
// it: then the diagonal runs from corner to corner of tiles. So there may be places before the
// first key, which nobody sees.
struct KeyPlaces {
  int64_t before, counted, tiled;  // places: before the keys, keys that count, all in whole tiles
  int64_t shift;                   // from a query's place to that of its own key

  KeyPlaces(const AttentionHeads& h, const int32_t* lengths, int64_t b)
      : before(h.causal ? ((-h.offset()) % kTilePlaces + kTilePlaces) % kTilePlaces : 0),
        counted(lengths ? counted_keys(lengths[b], h.keys) : h.keys),
        tiled(most(h)),
        shift(h.offset() + before) {}
  static int64_t most(const AttentionHeads& h) {
    return rounded_up(h.keys + kTilePlaces - 1, kTilePlaces);
  }
  // body(first place of the tile, its keys, whether it is the first) for a tile of queries.
  template <class Body>
  void for_tiles(const AttentionHeads& h, int64_t query, int64_t width, Body&& body) const {
    const int64_t end = before + counted,
                  last = h.causal ? std::min(end, query + shift + kTilePlaces) : end;
    for (int64_t at = 0; at < last; at += kTilePlaces)
      body(at,
           TileKeys{at == 0 ? before : 0, std::min(kTilePlaces, end - at), width,
                    h.causal && at == query + shift},
           at == 0);
  }
  // Queries that see no key come first.
  int64_t blind(const AttentionHeads& h) const {
    if (counted == 0) return h.queries;
    return h.causal ? std::clamp<int64_t>(-h.offset(), 0, h.queries) : 0;
  }
};

// Keys or values of a head as rows. Packed side by side (places may lie a multiple of 4 KiB apart,
// and would share sets of a cache), but in place where there is one tile.
template <class S, class T>
HeadRows<T> rows_of(const AttentionHeads& h, const KeyPlaces& places, const S* x, int64_t padded,
                    T* packed) {
  if constexpr (std::is_same_v<S, T>)
    if (h.keys == kTilePlaces && places.counted == h.keys && places.before == 0 && h.size == padded)
      return {x, h.key_stride()};
  pack_rows(x, h.key_stride(), places.before, places.counted, places.tiled, h.size, padded, packed);
  return {packed, padded};
}

// Rows of a tile of queries, in the arithmetic's type: in place, or copied.
template <class S, class T>
HeadRows<T> tile_rows(const S* x, int64_t stride, int64_t rows, int64_t size, T* copy) {
  if constexpr (std::is_same_v<S, T>) {
    return {x, stride};
  } else {
    pack_rows(x, stride, 0, rows, rows, size, size, copy);
    return {copy, size};
  }
}

// With few heads, threads share the queries of each, in parts by the shape alone.
inline constexpr int64_t kEnoughUnits = 16;

// Runs `work` on all threads, (sequence, head, first query, one past the last, its scratch memory),
// for parts of whole tiles of queries. No sum crosses tiles of queries, so that it does not matter
// how many a part has.
template <class Work>
void for_query_parts(Stream& stream, const AttentionHeads& h, const Work& work) {
  const int64_t tiles = (h.queries + kTilePlaces - 1) / kTilePlaces, pairs = h.batch * h.heads;
  if (tiles == 0 || pairs == 0) return;
  const int64_t wanted = std::clamp<int64_t>((kEnoughUnits + pairs - 1) / pairs, 1, tiles),
                each = (tiles + wanted - 1) / wanted, parts = (tiles + each - 1) / each;
  const Slots slots(stream, Work::scratch(h));
  stream.parallel(pairs * parts, [&](int64_t unit) {
    const int64_t pair = unit / parts, first = unit % parts * each * kTilePlaces,
                  last = std::min(h.queries, first + each * kTilePlaces);
    slots.borrow(
        [&](double* slot) { work.run(pair / h.heads, pair % h.heads, first, last, slot); });
  });
}

// f.operator()<S, T>() with the type of tensors of this dtype, and with the arithmetic's.
template <class F>
void visit_attention(Dtype dtype, F&& f) {
  if (dtype == Dtype::kF64) return f.template operator()<double, double>();
  if (dtype == Dtype::kF32) return f.template operator()<float, float>();
  visit_half(dtype, [&]<class S>() { f.template operator()<S, float>(); });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
