#include "cuda/kernels/network/shared/images.cuh"
#include "ops/network/pool2d_backward.h"

namespace orthokit::cuda {

// A thread takes some channels of an element of gradX: a sum over its windows, which others do not
// write to.
template <class S, class P>
struct GatherWindows {
  const S* grad;
  const P* places;  // void: of an average
  S* grad_x;
  Images images;
  int rows, columns, size, stride;
  Wide<S> beta;

  __device__ bool is_at(int64_t element, int number) const {
    if constexpr (std::is_void_v<P>)
      return true;
    else
      return int(places[element]) == number;
  }
  __device__ int first(int place) const {
    const int before = place - size + stride;
    return before > 0 ? before / stride : 0;
  }
  __device__ int last(int place, int count) const {
    const int last = place / stride + 1;
    return last < count ? last : count;
  }

  template <int N>
  __device__ void operator()(int64_t pixel, int64_t channel) const {
    const Pixel at = pixel_of(pixel, images.height, images.width);
    const int top = first(int(at.row)), left = first(int(at.column));
    const int bottom = last(int(at.row), rows), right = last(int(at.column), columns);
    Wide<S> sum[N] = {};
    for (int i = top; i < bottom; ++i) {
      int64_t from = ((at.image * rows + i) * columns + left) * images.channels + channel;
      int number = (int(at.row) - i * stride) * size + int(at.column) - left * stride;
      for (int j = left; j < right; ++j, from += images.channels, number -= stride) {
        const Group<S, N> values = load_group<N>(grad, from);
#pragma unroll
        for (int k = 0; k < N; ++k)
          if (is_at(from + k, number)) sum[k] += wide(values.of[k]);
      }
    }
    const int64_t to = pixel * images.channels + channel;
    Group<S, N> result{}, old{};
    if (beta != 0) old = load_group<N>(grad_x, to);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      if (std::is_void_v<P>) sum[k] /= Wide<S>(size * size);
      if (beta != 0) sum[k] += beta * wide(old.of[k]);
      result.of[k] = convert<S>(sum[k]);
    }
    store_group(grad_x, to, result);
  }
};

template <class S, class P>
static void gather_windows(const Pool2dBackward& op, Stream& stream) {
  const Images images = images_of(op.grad_x);
  for_matrix(stream, op.grad_x.shape[0] * images.height * images.width, images.channels,
             GatherWindows<S, P>{op.grad.as<S>(), op.places.as<P>(), op.grad_x.as<S>(), images,
                                 int(op.grad.shape[1]), int(op.grad.shape[2]), int(op.size),
                                 int(op.windows().stride), Wide<S>(op.beta)});
}

static void pool2d_backward(const Pool2dBackward& op, Stream& stream) {
  visit_storage(op.grad.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) {
      if (op.kind == PoolKind::kAverage)
        gather_windows<S, void>(op, stream);
      else if (op.places.dtype == Dtype::kU8)
        gather_windows<S, uint8_t>(op, stream);
      else
        gather_windows<S, int32_t>(op, stream);
    }
  });
}
ORTHOKIT_KERNEL(Pool2dBackward, pool2d_backward);

}  // namespace orthokit::cuda
