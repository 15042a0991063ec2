#include "cuda/kernels/network/shared/images.cuh"
#include "ops/network/pool2d.h"

namespace orthokit::cuda {

// A thread takes some channels of a window. `follows`: null, or what the elements are taken of.
template <class S>
struct LargestOfWindow {
  static constexpr int kBlocks = sizeof(S) == 8 ? 3 : 4;
  const S *x, *follows;
  S* out;
  uint8_t* places;
  int32_t* wide_places;
  Images images;
  int64_t rows, columns;
  int size, stride;

  template <int N>
  __device__ void operator()(int64_t window, int64_t channel) const {
    const Pixel at = pixel_of(window, rows, columns);
    const int64_t from = images.element({at.image, at.row * stride, at.column * stride}, channel);
    Group<S, N> best = load_group<N>(x + from, 0);
    int place[N] = {};
    for (int u = 0; u < size; ++u)
      for (int v = 0; v < size; ++v) {
        const Group<S, N> values = load_group<N>(x + from, images.distance(u, v));
#pragma unroll
        for (int i = 0; i < N; ++i) {
          const auto value = wide(values.of[i]);
          const bool is_larger = value > wide(best.of[i]) || value != value;
          if (is_larger) best.of[i] = values.of[i], place[i] = u * size + v;
        }
      }
    const int64_t to = window * images.channels + channel;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (follows) {
        const int u = place[i] / size, v = place[i] % size;
        best.of[i] = follows[from + images.distance(u, v) + i];
      }
      if (places) places[to + i] = uint8_t(place[i]);
      if (wide_places) wide_places[to + i] = place[i];
    }
    store_group(out, to, best);
  }
};

template <class S>
struct MeanOfWindow {
  const S* x;
  S* out;
  Images images;
  int64_t rows, columns;
  int size, stride;

  template <int N>
  __device__ void operator()(int64_t window, int64_t channel) const {
    const Pixel at = pixel_of(window, rows, columns);
    const int64_t from = images.element({at.image, at.row * stride, at.column * stride}, channel);
    Wide<S> sum[N] = {};
    for (int u = 0; u < size; ++u)
      for (int v = 0; v < size; ++v) {
        const Group<S, N> values = load_group<N>(x + from, images.distance(u, v));
#pragma unroll
        for (int i = 0; i < N; ++i) sum[i] += wide(values.of[i]);
      }
    Group<S, N> mean;
#pragma unroll
    for (int i = 0; i < N; ++i) mean.of[i] = convert<S>(sum[i] / Wide<S>(size * size));
    store_group(out, window * images.channels + channel, mean);
  }
};

static void pool2d(const Pool2d& op, Stream& stream) {
  const Images images = images_of(op.x);
  const int64_t rows = op.out.shape[1], columns = op.out.shape[2];
  const int64_t count = op.out.shape[0] * rows * columns;
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) {
      if (op.kind == PoolKind::kAverage)
        return for_matrix(stream, count, images.channels,
                          MeanOfWindow<S>{op.x.as<S>(), op.out.as<S>(), images, rows, columns,
                                          int(op.size), int(op.windows().stride)});
      const bool is_wide = op.places.dtype == Dtype::kI32;
      for_matrix(stream, count, images.channels,
                 LargestOfWindow<S>{op.x.as<S>(), op.follows.as<S>(), op.out.as<S>(),
                                    is_wide ? nullptr : op.places.as<uint8_t>(),
                                    is_wide ? op.places.as<int32_t>() : nullptr, images, rows,
                                    columns, int(op.size), int(op.windows().stride)});
    }
  });
}
ORTHOKIT_KERNEL(Pool2d, pool2d);

}  // namespace orthokit::cuda
