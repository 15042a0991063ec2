#include "cuda/kernels/network/shared/attention_forms.cuh"
#include "ops/network/attention_tangent.h"

namespace orthokit::cuda {

template <class S, class T>
struct AttentionTangents {
  AttentionWork<S> along;  // the tangents, which lie as the operands do
  const S* out;
  const T* log_sums;
  S* out_tangent;
};

// A block has a tile of queries, through which keys pass, then values.
template <class Tiles>
__global__ void __launch_bounds__(Tiles::kThreads, Tiles::kWideBlocks) attention_tangent_kernel(
    AttentionWork<typename Tiles::Storage> work,
    AttentionTangents<typename Tiles::Storage, typename Tiles::Number> tangents, int64_t tiles,
    int64_t count) {
  using T = typename Tiles::Number;
  constexpr int kRows = Tiles::kRows, kColumns = Tiles::kColumns;
  Tiles t(dyn_shared<void>(), work);
  const auto& along = tangents.along;
  for (int64_t index = blockIdx.x; index < count; index += gridDim.x) {
    const auto [b, head, kv_head, first, counted, last] =
        work.query_tile(index, tiles, Tiles::kOwn);
    const T scale = T(work.h.scale);
    typename Tiles::Sums sums = {};
    T log_sums[kRows], totals[kRows] = {};
    int seen[kRows];
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int query = first + Tiles::row(i);
      const bool exists = query < work.h.queries;
      seen[i] = exists ? work.seen(query, counted) : 0;
      log_sums[i] =
          tangents.log_sums[work.sums_at(b, head, exists ? query : 0)] * T(std::numbers::log2e);
    }
    t.release();
    t.template own<0>(work.query_rows(b, head, first, Tiles::kOwn));
    t.template own<1>(along.query_rows(b, head, first, Tiles::kOwn));
#pragma unroll 1
    for (int at = 0; at < last; at += Tiles::kPassing) {
      if (at > 0) t.release();
      t.template pass<0>(work.key_rows(b, kv_head, at, counted, Tiles::kPassing));
      t.template pass<1>(along.key_rows(b, kv_head, at, counted, Tiles::kPassing));
      t.settle();
      typename Tiles::Scores p, slopes;
      t.template score<0, 0>(p);
      t.template score<1, 0>(slopes);
      t.template score<0, 1>(slopes, false);
#pragma unroll
      for (int i = 0; i < kRows; ++i)
#pragma unroll
        for (int j = 0; j < kColumns; ++j) {
          const bool sees = at + Tiles::column(j) < seen[i];
          p[i][j] = sees
                        ? power_of_two(fused(p[i][j], scale * T(std::numbers::log2e), -log_sums[i]))
                        : T(0);
          slopes[i][j] = sees ? p[i][j] * (scale * slopes[i][j]) : T(0);
          totals[i] += slopes[i][j];
        }
      t.release();
      t.template pass<0>(work.value_rows(b, kv_head, at, counted, Tiles::kPassing));
      t.template pass<1>(along.value_rows(b, kv_head, at, counted, Tiles::kPassing));
      t.settle();
      t.template add<0>(slopes, sums);
      t.template add<1>(p, sums);
    }
    if (last == 0) t.settle();
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const T total = Tiles::template reduce<Sum>(totals[i]);
      const int query = first + Tiles::row(i);
      const bool exists = query < work.h.queries;
      const int64_t at = work.out_at(b, head, exists ? query : 0);
      t.write({tangents.out_tangent + at, tangents.out + at, exists}, sums[i],
              [&](T of, T out) { return seen[i] > 0 ? fused(-total, out, of) : T(0); });
    }
  }
}

static void attention_tangent(const AttentionTangent& op, Stream& stream) {
  const AttentionHeads h = heads_of(op);
  if (op.out.size() == 0) return;
  with_attention_tiles<2>(stream, attention_dtype(op), h.size, [&]<class Tiles>() {
    using S = typename Tiles::Storage;
    using T = typename Tiles::Number;
    const int64_t tiles = parts_of(h.queries, Tiles::kOwn), count = tiles * h.batch * h.heads;
    // Tiles of all tensors are read alike: whole where all are.
    const AttentionWork<S> work = attention_work<S>(
        op, {&op.out, &op.out_tangent, &op.tangent_qkv, &op.tangent_q, &op.tangent_kv});
    AttentionTangents<S, T> tangents{work, op.out.as<S>(), op.log_sums.as<T>(),
                                     op.out_tangent.as<S>()};
    tangents.along.queries = (op.qkv ? op.tangent_qkv : op.tangent_q).as<S>();
    tangents.along.keys = (op.qkv ? op.tangent_qkv : op.tangent_kv).as<S>();
    launch(stream, attention_tangent_kernel<Tiles>,
           {blocks_for(count), Tiles::kThreads, Tiles::kShared}, work, tangents, tiles, count);
  });
}
ORTHOKIT_KERNEL(AttentionTangent, attention_tangent);

}  // namespace orthokit::cuda
