#include "cuda/kernels/network/shared/attention_forms.cuh"
#include "ops/network/attention_backward.h"

namespace orthokit::cuda {

template <class S, class T>
struct AttentionGradients {
  const S *grad, *out;
  const T* log_sums;
  T* products;        // of the gradient of a query's result with the result
  S *queries, *keys;  // the gradients; null: not asked for
  bool adds;

  __device__ __forceinline__ ResultRow<S> row(S* to, bool exists) const {
    return {to, adds ? to : nullptr, exists};
  }
};

constexpr int kProductThreads = 256;

// A warp a query of a head.
template <class S, class T>
__global__ void __launch_bounds__(kProductThreads)
    attention_products_kernel(AttentionWork<S> work, AttentionGradients<S, T> g, int64_t count) {
  constexpr int kWarps = kProductThreads / kWarp;
  const int lane = int(threadIdx.x) % kWarp;
  for (int64_t index = blockIdx.x * int64_t(kWarps) + threadIdx.x / kWarp; index < count;
       index += int64_t(gridDim.x) * kWarps) {
    const int64_t at = index * work.h.size, heads = work.h.heads, place = index / heads;
    T sum = 0;
    for (int k = lane; k < work.h.size; k += kWarp)
      sum = fused(convert<T>(g.grad[at + k]), convert<T>(g.out[at + k]), sum);
    sum = warp_reduce<Sum>(sum);
    if (lane == 0)
      g.products[work.sums_at(place / work.h.queries, index % heads, place % work.h.queries)] = sum;
  }
}

// p of a pair, and the slope of its score; `slope` holds the product of gradient and value.
template <class T>
__device__ __forceinline__ void slope_of(bool seen, T scale, T log_sum, T product, T& p, T& slope) {
  p = seen ? power_of_two(fused(p, scale, -log_sum * T(std::numbers::log2e))) : T(0);
  slope = seen ? p * (slope - product) : T(0);
}

// A block has a tile of queries, through which keys and values pass.
template <class Tiles>
__global__ void __launch_bounds__(Tiles::kThreads, Tiles::kWideBlocks)
    attention_query_gradients_kernel(
        AttentionWork<typename Tiles::Storage> work,
        AttentionGradients<typename Tiles::Storage, typename Tiles::Number> g, int64_t tiles,
        int64_t count) {
  using T = typename Tiles::Number;
  constexpr int kRows = Tiles::kRows, kColumns = Tiles::kColumns;
  Tiles t(dyn_shared<void>(), work);
  for (int64_t index = blockIdx.x; index < count; index += gridDim.x) {
    const auto [b, head, kv_head, first, counted, last] =
        work.query_tile(index, tiles, Tiles::kOwn);
    const T scale = T(work.h.scale * std::numbers::log2e);
    typename Tiles::Sums sums = {};
    T log_sums[kRows], products[kRows];
    int seen[kRows];
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int query = first + Tiles::row(i);
      const bool exists = query < work.h.queries;
      const int64_t at = work.sums_at(b, head, exists ? query : 0);
      seen[i] = exists ? work.seen(query, counted) : 0;
      log_sums[i] = g.log_sums[at], products[i] = g.products[at];
    }
    t.release();
    t.template own<0>(work.query_rows(b, head, first, Tiles::kOwn));
    t.template own<1>(work.out_rows(g.grad, b, head, first, Tiles::kOwn));
#pragma unroll 1
    for (int at = 0; at < last; at += Tiles::kPassing) {
      if (at > 0) t.release();
      t.template pass<0>(work.key_rows(b, kv_head, at, counted, Tiles::kPassing));
      t.template pass<1>(work.value_rows(b, kv_head, at, counted, Tiles::kPassing));
      t.settle();
      typename Tiles::Scores p, slopes;
      t.template score<0, 0>(p);
      t.template score<1, 1>(slopes);
#pragma unroll
      for (int i = 0; i < kRows; ++i)
#pragma unroll
        for (int j = 0; j < kColumns; ++j)
          slope_of(at + Tiles::column(j) < seen[i], scale, log_sums[i], products[i], p[i][j],
                   slopes[i][j]);
      t.template add<0>(slopes, sums);
    }
    if (last == 0) t.settle();
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int query = first + Tiles::row(i);
      const bool exists = query < work.h.queries;
      t.write(g.row(g.queries + work.query_at(b, head, exists ? query : 0), exists), sums[i],
              [&](T of, T old) { return (seen[i] > 0 ? of * T(work.h.scale) : T(0)) + old; });
    }
  }
}

// A block has a tile of keys and values, through which the queries of all heads pass that they
// serve.
template <class Tiles>
__global__ void __launch_bounds__(Tiles::kThreads, Tiles::kWideBlocks)
    attention_key_gradients_kernel(
        AttentionWork<typename Tiles::Storage> work,
        AttentionGradients<typename Tiles::Storage, typename Tiles::Number> g, int64_t count) {
  using T = typename Tiles::Number;
  constexpr int kRows = Tiles::kRows, kColumns = Tiles::kColumns;
  Tiles t(dyn_shared<void>(), work);
  for (int64_t index = blockIdx.x; index < count; index += gridDim.x) {
    const int64_t pairs = work.h.batch * work.h.kv_heads, pair = index % pairs,
                  b = pair / work.h.kv_heads, kv_head = pair % work.h.kv_heads,
                  group = work.h.heads / work.h.kv_heads;
    const int first = int(index / pairs) * Tiles::kOwn, counted = work.counted(b),
              from = work.first_query(first), queries = int(work.h.queries);
    const T scale = T(work.h.scale * std::numbers::log2e);
    typename Tiles::Sums keys = {}, values = {};
    t.release();
    t.template own<0>(work.key_rows(b, kv_head, first, counted, Tiles::kOwn));
    t.template own<1>(work.value_rows(b, kv_head, first, counted, Tiles::kOwn));
    t.settle();
    if (first < counted) {
#pragma unroll 1
      for (int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head)
#pragma unroll 1
        for (int at = from; at < queries; at += Tiles::kPassing) {
          t.release();
          t.template pass<0>(work.query_rows(b, head, at, Tiles::kPassing));
          t.template pass<1>(work.out_rows(g.grad, b, head, at, Tiles::kPassing));
          t.settle();
          typename Tiles::Scores p, slopes;
          t.template score<0, 0>(p);
          t.template score<1, 1>(slopes);
#pragma unroll
          for (int j = 0; j < kColumns; ++j) {
            const int query = at + Tiles::column(j);
            const bool exists = query < queries;
            const int64_t sums_at = work.sums_at(b, head, exists ? query : 0);
            const int seen = exists ? work.seen(query, counted) : 0;
            const T log_sum = g.log_sums[sums_at], product = g.products[sums_at];
#pragma unroll
            for (int i = 0; i < kRows; ++i)
              slope_of(first + Tiles::row(i) < seen, scale, log_sum, product, p[i][j],
                       slopes[i][j]);
          }
          t.template add<1>(p, values);
          t.template add<0>(slopes, keys);
        }
    }
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int key = first + Tiles::row(i);
      const bool exists = key < work.h.keys;
      const int place = exists ? key : 0;
      t.write(g.row(g.keys + work.key_at(b, kv_head, place), exists), keys[i],
              [&](T of, T old) { return (key < counted ? of * T(work.h.scale) : T(0)) + old; });
      t.write(g.row(g.keys + work.value_at(b, kv_head, place), exists), values[i],
              [&](T of, T old) { return (key < counted ? of : T(0)) + old; });
    }
  }
}

static void attention_backward(const AttentionBackward& op, Stream& stream) {
  const AttentionHeads h = heads_of(op);
  with_attention_tiles<2>(stream, attention_dtype(op), h.size, [&]<class Tiles>() {
    using S = typename Tiles::Storage;
    using T = typename Tiles::Number;
    const int64_t queries = h.batch * h.queries * h.heads;
    const View &to_queries = op.qkv ? op.grad_qkv : op.grad_q,
               &to_keys = op.qkv ? op.grad_qkv : op.grad_kv;
    const AttentionGradients<S, T> g{
        op.grad.as<S>(),    op.out.as<S>(),  op.log_sums.as<T>(), stream.scratch<T>(queries),
        to_queries.as<S>(), to_keys.as<S>(), op.beta != 0};
    const AttentionWork<S> work = attention_work<S>(op, {&op.grad, &to_queries, &to_keys});
    if (queries > 0)
      launch(stream, attention_products_kernel<S, T>,
             {blocks_for(parts_of(queries, kProductThreads / kWarp)), kProductThreads}, work, g,
             queries);
    const int64_t tiles = parts_of(h.queries, Tiles::kOwn), pairs = h.batch * h.heads,
                  key_tiles = parts_of(h.keys, Tiles::kOwn) * h.batch * h.kv_heads;
    if (to_queries && tiles * pairs > 0)
      launch(stream, attention_query_gradients_kernel<Tiles>,
             {blocks_for(tiles * pairs), Tiles::kThreads, Tiles::kShared}, work, g, tiles,
             tiles * pairs);
    if (to_keys && key_tiles > 0)
      launch(stream, attention_key_gradients_kernel<Tiles>,
             {blocks_for(key_tiles), Tiles::kThreads, Tiles::kShared}, work, g, key_tiles);
  });
}
ORTHOKIT_KERNEL(AttentionBackward, attention_backward);

}  // namespace orthokit::cuda
