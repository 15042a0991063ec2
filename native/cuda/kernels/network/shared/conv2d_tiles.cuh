// Convolutions as products by tiles. A form names the panels of its operands, and where rows of the
// result lie.
#pragma once
#include "cuda/kernels/network/shared/conv2d_panels.cuh"
#include "cuda/kernels/products/shared/gemm_tiles.cuh"
#include "cuda/kernels/products/shared/half_products.h"
#include "cuda/kernels/products/shared/half_tile.cuh"

namespace orthokit::cuda {

// Target of the sums: c = sums + what is added, or + c behind the first of several runs.
template <class T, class Sum>
struct Conv2dOut {
  Sum* c;  // T's, or the sums of slices, one result after the other
  Added<Sum, T> added;
  int64_t size;  // of a result
  bool whole;    // accesses of 16 bytes are aligned; on tensor cores those of two sums
};

// Large tiles take the registers of a whole multiprocessor: places of pixels stand beside the sums.
template <class T, int side, class Form>
__global__ void __launch_bounds__(kTileThreads, side == kLargeTile ? 1 : 2)
    conv2d_kernel(GemmWork work, const __grid_constant__ Form form, Conv2dOut<T, T> out) {
  constexpr int kV = kChunk<T>;
  using A = typename Form::template A<PanelLayout<T, Form::kDeepA, side>>;
  using B = typename Form::template B<PanelLayout<T, Form::kDeepB, side>>;
  for (int64_t index = blockIdx.x; index < work.size(); index += gridDim.x) {
    const WorkShare share = work.share(index);
    const TilePosition tile = gemm_tile(work, share.tile);
    const int64_t row = tile.row * side, column = tile.column * side;
    const auto part = form.part(share.batch, share.from, share.depth);
    if (row >= part.rows) continue;
    T* c = out.c + share.matrix / work.batch * out.size;
    PanelProduct<T, side, A, B>::run(
        form.template a<A>(part, row, share.from), form.template b<B>(part, column, share.from),
        part.depth, [&](const Slab<T, side>& slab, bool first, bool) {
          const T beta = first ? out.added.beta : T(1);
          const T* old = first ? out.added.old : c;
          slab.template each<false>([&](int down, int across, T(&values)[kV]) {
            const int64_t columns = work.n - column - across;
            if (row + down >= part.rows || columns <= 0) return;
            const int64_t at = form.place(part, row + down) + column + across;
            const T* bias = first && out.added.bias
                                ? out.added.bias + form.bias_place(part) + column + across
                                : nullptr;
            if (out.whole) {
              T before[kV] = {};
              if (beta != 0) load_chunk(old + at, before);
#pragma unroll
              for (int v = 0; v < kV; ++v) values[v] = fused(beta, before[v], values[v]);
              if (bias) {
                load_chunk(bias, before);
#pragma unroll
                for (int v = 0; v < kV; ++v) values[v] += before[v];
              }
              write_chunk(c + at, values);
              return;
            }
#pragma unroll
            for (int v = 0; v < kV; ++v)
              if (v < columns) {
                values[v] = fused(beta, beta == 0 ? T(0) : old[at + v], values[v]);
                c[at + v] = bias ? values[v] + bias[v] : values[v];
              }
          });
        });
  }
}

// On tensor cores. The tile goes to its place as it is, or as sums in f32 to its slice.
template <class T, int side, class Form>
__global__ void __launch_bounds__(kHalfThreads, side == kLargeTile ? 2 : 4)
    half_conv2d_kernel(GemmWork work, const __grid_constant__ Form form, Conv2dOut<T, float> out) {
  using A = typename Form::template A<HalfLayout<T, Form::kDeepA, side>>;
  using B = typename Form::template B<HalfLayout<T, Form::kDeepB, side>>;
  T* memory = dyn_shared<T>();
  for (int64_t index = blockIdx.x; index < work.size(); index += gridDim.x) {
    const WorkShare share = work.share(index);
    const TilePosition tile = gemm_tile(work, share.tile);
    const int64_t row = tile.row * side, column = tile.column * side;
    const auto part = form.part(share.batch, share.from, share.depth);
    if (row >= part.rows) continue;
    HalfSums<side> sums;
    HalfPanelProduct<T, side, A, B>::run(form.template a<A>(part, row, share.from),
                                         form.template b<B>(part, column, share.from),
                                         int(part.depth), memory, sums);
    float* c = out.c + share.matrix / work.batch * out.size;
    const int first_row = sums.first_row(), first_column = sums.first_column();
    sums.each([&](int down, int across, float first, float second) {
      const int64_t at_row = row + first_row + 8 * down,
                    at_column = column + first_column + 8 * across;
      if (at_row >= part.rows || at_column >= work.n) return;
      float* at = c + form.place(part, at_row) + at_column;
      if (out.whole) {
        *reinterpret_cast<float2*>(at) = make_float2(first, second);
        return;
      }
      at[0] = first;
      if (at_column + 1 < work.n) at[1] = second;
    });
  }
}

inline GemmWork conv2d_work(int64_t m, int64_t n, int64_t depth, int64_t batch, int side,
                            int64_t stage) {
  const int64_t rows = parts_of(m, side), columns = parts_of(n, side);
  return {{rows * columns, batch, depth, stage}, m, n, rows, columns, 0, 0};
}

struct Conv2dProduct {
  int64_t m, n, depth, batch;
  int64_t stride;  // between neighbouring rows of the result, or a divisor of it
};

// out = sums + beta · out, or + bias, for a result in the arithmetic's dtype or in 16 bits.
template <class T, int side, class Form, class S>
void launch_conv2d(const Conv2dProduct& p, const Form& form, const View& result,
                   const Added<T, S>& added, Stream& stream) {
  const GemmWork work = conv2d_work(p.m, p.n, p.depth, p.batch, side, kStage);
  const int64_t size = result.size();
  Conv2dOut<T, T> out{};
  out.size = size;
  bool direct = false;
  if constexpr (std::is_same_v<T, S>) {
    direct = work.slices == 1;
    if (direct) out.c = result.as<T>(), out.added = added;
  }
  if (!direct) out.c = stream.scratch<T>(work.slices * size), out.added = {out.c, nullptr, T(0)};
  out.whole = is_aligned(out.c) && is_aligned(out.added.old) && is_aligned(out.added.bias) &&
              p.n % kChunk<T> == 0 && p.stride % kChunk<T> == 0 && size % kChunk<T> == 0;
  launch(stream, conv2d_kernel<T, side, Form>, {blocks_for(work.size()), kTileThreads}, work, form,
         out);
  if (!direct)
    sum_slices<T, S>(stream, out.c, work.slices, size, T(1), added, result.shape[result.rank - 1],
                     result.as<S>());
}

template <class T, class Form, class S>
void run_conv2d(const Conv2dProduct& p, const Form& form, const View& result,
                const Added<T, S>& added, Stream& stream) {
  if constexpr (has_large_tiles<T>) {
    const int64_t tiles = p.batch * parts_of(p.m, kLargeTile) * parts_of(p.n, kLargeTile);
    if (are_large_enough(p.m, p.n, tiles))
      return launch_conv2d<T, kLargeTile>(p, form, result, added, stream);
  }
  launch_conv2d<T, kSmallTile>(p, form, result, added, stream);
}

template <class T, int side, class Form>
void launch_half_conv2d(const Conv2dProduct& p, const Form& form, const View& result,
                        const Added<float, T>& added, Stream& stream) {
  const GemmWork work = conv2d_work(p.m, p.n, p.depth, p.batch, side, kHalfStage);
  const int64_t size = result.size();
  Conv2dOut<T, float> out{};
  out.c = stream.scratch<float>(work.slices * size), out.size = size;
  out.whole = p.n % 2 == 0 && p.stride % 2 == 0 && size % 2 == 0;
  launch(stream, half_conv2d_kernel<T, side, Form>,
         {blocks_for(work.size()), kHalfThreads, kHalfElements<side> * sizeof(T)}, work, form, out);
  sum_slices<float, T>(stream, out.c, work.slices, size, 1.0f, added, result.shape[result.rank - 1],
                       result.as<T>());
}

template <class T, class Form>
void run_half_conv2d(const Conv2dProduct& p, const Form& form, const View& result,
                     const Added<float, T>& added, Stream& stream) {
  const int64_t tiles = p.batch * parts_of(p.m, kLargeTile) * parts_of(p.n, kLargeTile);
  if (are_large_enough(p.m, p.n, tiles))
    launch_half_conv2d<T, kLargeTile>(p, form, result, added, stream);
  else
    launch_half_conv2d<T, kSmallTile>(p, form, result, added, stream);
}

// Of an operand whose rows lie apart by one stride.
template <class T, class Layout>
using OwnPanel = std::conditional_t<sizeof(T) == 2, HalfPanel<T, Layout::kDeep, Layout::kSide>,
                                    Panel<T, Layout::kDeep, Layout::kSide>>;
template <class T>
using OwnSide = std::conditional_t<sizeof(T) == 2, HalfSide<T>, Side<T>>;
// Of groups of `group` elements, where they lie beside each other.
template <class T>
OwnSide<T> own_side(const View& v, int64_t stride, int64_t group = 0) {
  if constexpr (sizeof(T) == 2)
    return {v.as<T>(), stride};
  else
    return Side<T>(v.as<T>(), stride, group);
}

// Pixels of the result, from where their first tap lies.
inline Conv2dPixels result_pixels(const Conv2dSizes& s) {
  return {s.images * s.out_height * s.out_width,
          int(s.out_height),
          int(s.out_width),
          -int(s.padding[0]),
          -int(s.padding[1]),
          int(s.stride[0]),
          int(s.stride[1])};
}
inline const Conv2dTap* kernel_taps(const Conv2dSizes& s, Stream& stream) {
  std::vector<Conv2dTap> taps;
  for (int64_t u = 0; u < s.kernel_height; ++u)
    for (int64_t v = 0; v < s.kernel_width; ++v)
      taps.push_back({int(u * s.dilation[0]), int(v * s.dilation[1]), int(taps.size())});
  return stream.table(taps.data(), int64_t(taps.size()));
}

template <class T>
Conv2dImages<T> conv2d_images(const View& images, int64_t groups) {
  const int64_t channels = images.shape[3] / groups;
  return {images.as<T>(),       int(images.shape[1]),
          int(images.shape[2]), int(images.shape[3]),
          int(channels),        is_aligned(images.as<T>()) && channels % kChunk<T> == 0};
}

// True where tensor cores read 16 bytes of channels at once.
template <class T>
bool are_chunks(const View& v, int64_t columns) {
  return is_aligned(v.as<T>()) && columns % kHalfChunk == 0;
}

}  // namespace orthokit::cuda
