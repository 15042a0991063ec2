// The operands of attention as they lie in memory, and the keys that a query sees.
#pragma once
#include <numbers>

#include "cuda/convert.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"
#include "cuda/vector.cuh"
#include "ops/network/shared/attention_heads.h"

namespace orthokit::cuda {

// Rows of a head, those that exist.
template <class S>
struct HeadRows {
  const S* data;
  int stride, rows;
};

// A tile of a head's queries, and the keys that some of them see.
struct QueryTile {
  int64_t b, head, kv_head;
  int first, counted, last;
};

// A row that sums go to. `old`: what it is added to or depends on, or null.
template <class S>
struct ResultRow {
  S* to;
  const S* old;
  bool exists;
};

// Neighbours of a row of which `exist` exist, in one access where rows are whole.
template <class S, int n>
__device__ __forceinline__ void read_neighbours(const S* from, int exist, bool whole, S (&to)[n]) {
  if constexpr (n > 1)
    if (whole && exist > 0) {
      const auto raw = *reinterpret_cast<const AccessOf<S, n* int(sizeof(S))>*>(from);
      memcpy(to, &raw, sizeof to);
      return;
    }
#pragma unroll
  for (int v = 0; v < n; ++v)
    if (v < exist) to[v] = from[v];
}
template <class S, int n>
__device__ __forceinline__ void write_neighbours(S* to, int exist, bool whole, const S (&from)[n]) {
  using Access = AccessOf<S, n* int(sizeof(S))>;
  if (whole && exist > 0) {
    Access raw;
    memcpy(&raw, from, sizeof raw);
    __stwb(reinterpret_cast<Access*>(to), raw);  // why not plainly, store_raw says
    return;
  }
#pragma unroll
  for (int v = 0; v < n; ++v)
    if (v < exist) to[v] = from[v];
}

template <class S>
struct AttentionWork {
  AttentionHeads h;
  const S *queries, *keys;  // the tensors that hold them
  const int* lengths;
  bool whole;  // 16 bytes at once are aligned

  // Places of a sequence fit an int: what is computed grows with their square.
  __device__ __forceinline__ int counted(int64_t b) const {
    const int all = int(h.keys);
    if (!lengths) return all;
    const int length = lengths[b];
    return length < 0 ? 0 : length < all ? length : all;
  }
  __device__ __forceinline__ int64_t kv_head(int64_t head) const {
    return head / (h.heads / h.kv_heads);
  }
  __device__ __forceinline__ int64_t query_stride() const {
    return h.packed ? (h.heads + 2 * h.kv_heads) * h.size : h.heads * h.size;
  }
  __device__ __forceinline__ int64_t key_stride() const {
    return h.packed ? query_stride() : 2 * h.kv_heads * h.size;
  }
  __device__ __forceinline__ int64_t query_at(int64_t b, int64_t head, int64_t place) const {
    return (b * h.queries + place) * query_stride() + head * h.size;
  }
  __device__ __forceinline__ int64_t key_at(int64_t b, int64_t kv_head, int64_t place) const {
    return (b * h.keys + place) * key_stride() + ((h.packed ? h.heads : 0) + kv_head) * h.size;
  }
  __device__ __forceinline__ int64_t value_at(int64_t b, int64_t kv_head, int64_t place) const {
    return key_at(b, kv_head + h.kv_heads, place);
  }
  // Of the result and its gradient.
  __device__ __forceinline__ int64_t out_at(int64_t b, int64_t head, int64_t place) const {
    return ((b * h.queries + place) * h.heads + head) * h.size;
  }
  __device__ __forceinline__ int64_t sums_at(int64_t b, int64_t head, int64_t place) const {
    return (b * h.heads + head) * h.queries + place;
  }
  __device__ __forceinline__ int offset() const { return int(h.keys - h.queries); }
  // One past the last key that a query sees.
  __device__ __forceinline__ int seen(int query, int counted) const {
    if (!h.causal) return counted;
    const int last = query + offset() + 1;
    return last < 0 ? 0 : last < counted ? last : counted;
  }
  // The first query that sees a key.
  __device__ __forceinline__ int first_query(int key) const {
    const int query = h.causal ? key - offset() : 0;
    return query > 0 ? query : 0;
  }

  // The index-th of all heads' tiles, of `places` queries; those that see most keys come first.
  __device__ __forceinline__ QueryTile query_tile(int64_t index, int64_t tiles, int places) const {
    const int64_t pairs = h.batch * h.heads, pair = index % pairs;
    QueryTile t;
    t.b = pair / h.heads, t.head = pair % h.heads, t.kv_head = kv_head(t.head);
    t.first = int(tiles - 1 - index / pairs) * places;
    t.counted = counted(t.b), t.last = seen(t.first + places - 1, t.counted);
    return t;
  }

  __device__ __forceinline__ HeadRows<S> rows(const S* data, int64_t stride, int left,
                                              int most) const {
    return {data, int(stride), left < 0 ? 0 : left < most ? left : most};
  }
  __device__ __forceinline__ HeadRows<S> query_rows(int64_t b, int64_t head, int place,
                                                    int most) const {
    return rows(queries + query_at(b, head, place), query_stride(), int(h.queries) - place, most);
  }
  // Keys that do not count are as those that do not exist.
  __device__ __forceinline__ HeadRows<S> key_rows(int64_t b, int64_t head, int place, int counted,
                                                  int most) const {
    return rows(keys + key_at(b, head, place), key_stride(), counted - place, most);
  }
  __device__ __forceinline__ HeadRows<S> value_rows(int64_t b, int64_t head, int place, int counted,
                                                    int most) const {
    return rows(keys + value_at(b, head, place), key_stride(), counted - place, most);
  }
  // Rows of a tensor that lies as the result does.
  __device__ __forceinline__ HeadRows<S> out_rows(const S* data, int64_t b, int64_t head, int place,
                                                  int most) const {
    return rows(data + out_at(b, head, place), h.heads * h.size, int(h.queries) - place, most);
  }
};

inline bool has_whole_rows(const AttentionHeads& h, std::initializer_list<const View*> tensors) {
  bool whole = h.size % 8 == 0;
  for (const View* v : tensors)
    if (*v) whole = whole && reinterpret_cast<uintptr_t>(v->data) % 16 == 0;
  return whole;
}

template <class S, class Op>
AttentionWork<S> attention_work(const Op& op, std::initializer_list<const View*> others) {
  AttentionWork<S> work{heads_of(op), (op.qkv ? op.qkv : op.q).template as<S>(),
                        (op.qkv ? op.qkv : op.kv).template as<S>(),
                        op.lengths.template as<int32_t>(), false};
  work.whole = has_whole_rows(work.h, {&op.qkv, &op.q, &op.kv}) && has_whole_rows(work.h, others);
  return work;
}

// 2^(difference · log₂ e), for scores that carry that factor already.
__device__ __forceinline__ float power_of_two(float x) { return exp2f(x); }
__device__ __forceinline__ double power_of_two(double x) { return exp2(x); }

}  // namespace orthokit::cuda
