#include "cuda/kernels/network/shared/attention_forms.cuh"
#include "ops/network/attention.h"

namespace orthokit::cuda {

template <class S, class T>
struct AttentionResult {
  S* out;
  T* log_sums;
};

// A block has a tile of queries, through which the keys pass.
template <class Tiles>
__global__ void __launch_bounds__(Tiles::kThreads, Tiles::kBlocks)
    attention_kernel(AttentionWork<typename Tiles::Storage> work,
                     AttentionResult<typename Tiles::Storage, typename Tiles::Number> result,
                     int64_t tiles, int64_t count) {
  using T = typename Tiles::Number;
  constexpr int kRows = Tiles::kRows, kColumns = Tiles::kColumns;
  Tiles t(dyn_shared<void>(), work);
  for (int64_t index = blockIdx.x; index < count; index += gridDim.x) {
    // Those that see most keys come first.
    const auto [b, head, kv_head, first, counted, last] =
        work.query_tile(index, tiles, Tiles::kOwn);
    const T scale = T(work.h.scale * std::numbers::log2e);
    typename Tiles::Sums sums = {};
    T max[kRows], total[kRows];
    int seen[kRows];
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      max[i] = std::numeric_limits<T>::lowest(), total[i] = 0;
      seen[i] = work.seen(first + Tiles::row(i), counted);
    }
    t.release();
    t.template own<0>(work.query_rows(b, head, first, Tiles::kOwn));
#pragma unroll 1
    for (int at = 0; at < last; at += Tiles::kPassing) {
      if (at > 0) t.release();
      t.template pass<0>(work.key_rows(b, kv_head, at, counted, Tiles::kPassing));
      t.template pass<1>(work.value_rows(b, kv_head, at, counted, Tiles::kPassing));
      t.settle();
      typename Tiles::Scores scores;
      t.template score<0, 0>(scores);
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        T most = max[i];
#pragma unroll
        for (int j = 0; j < kColumns; ++j) {
          scores[i][j] *= scale;
          if (at + Tiles::column(j) < seen[i]) most = Max::combine(most, scores[i][j]);
        }
        most = Tiles::template reduce<Max>(most);
        const T factor = power_of_two(max[i] - most);
        T sum = 0;
#pragma unroll
        for (int j = 0; j < kColumns; ++j) {
          scores[i][j] = at + Tiles::column(j) < seen[i] ? power_of_two(scores[i][j] - most) : T(0);
          sum += scores[i][j];
        }
        max[i] = most, total[i] = fused(total[i], factor, sum);
#pragma unroll
        for (int k = 0; k < Tiles::kElements; ++k) sums[i][k] *= factor;
      }
      t.template add<1>(scores, sums);
    }
    if (last == 0) t.settle();
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const T sum = Tiles::template reduce<Sum>(total[i]);
      const int query = first + Tiles::row(i);
      const bool exists = query < work.h.queries;
      const T inverse = seen[i] > 0 ? 1 / sum : 0;
      t.write({result.out + work.out_at(b, head, exists ? query : 0), nullptr, exists}, sums[i],
              [&](T of, T) { return seen[i] > 0 ? of * inverse : T(0); });
      if (exists && Tiles::has_first_column())
        result.log_sums[work.sums_at(b, head, query)] =
            seen[i] > 0 ? max[i] * T(std::numbers::ln2) + log(sum)
                        : -std::numeric_limits<T>::infinity();
    }
  }
}

static void attention(const Attention& op, Stream& stream) {
  const AttentionHeads h = heads_of(op);
  if (op.out.size() == 0) return;
  with_attention_tiles<1>(stream, attention_dtype(op), h.size, [&]<class Tiles>() {
    using S = typename Tiles::Storage;
    using T = typename Tiles::Number;
    const int64_t tiles = parts_of(h.queries, Tiles::kOwn), count = tiles * h.batch * h.heads;
    launch(stream, attention_kernel<Tiles>, {blocks_for(count), Tiles::kThreads, Tiles::kShared},
           attention_work<S>(op, {&op.out}),
           AttentionResult<S, T>{op.out.as<S>(), op.log_sums.as<T>()}, tiles, count);
  });
}
ORTHOKIT_KERNEL(Attention, attention);

}  // namespace orthokit::cuda
