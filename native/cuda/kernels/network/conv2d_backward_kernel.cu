#include "cuda/kernels/network/shared/conv2d_channels.cuh"
#include "cuda/kernels/network/shared/conv2d_tiles.cuh"
#include "ops/network/conv2d_backward_kernel.h"

namespace orthokit::cuda {

// Rows are kernels of a group, columns their elements, the depth is the pixels of a sample.
template <class T>
struct Conv2dOfKernel {
  static constexpr bool kDeepA = false, kDeepB = false;
  template <class Layout>
  using A = OwnPanel<T, Layout>;
  template <class Layout>
  using B = PixelDepth<T, Layout>;
  OwnSide<T> grad;
  Conv2dImages<T> images;
  Conv2dPixels pixels;
  const Conv2dTap* taps;
  int64_t groups, kernels, elements;
  int64_t sample_pixels;

  struct Part {
    int64_t batch, group, first_pixel, rows, depth;
  };
  __device__ Part part(int64_t batch, int64_t, int64_t depth) const {
    return {batch, batch % groups, batch / groups * sample_pixels, kernels, depth};
  }
  template <class Panel>
  __device__ Panel a(const Part& p, int64_t row, int64_t from) const {
    return {grad, p.first_pixel * grad.stride + p.group * kernels, row, kernels, from};
  }
  template <class Panel>
  __device__ Panel b(const Part& p, int64_t column, int64_t from) const {
    return {images, pixels, taps, p.group, column, elements, p.first_pixel + from};
  }
  __device__ int64_t place(const Part& p, int64_t row) const {
    return (p.batch * kernels + row) * elements;
  }
  __device__ int64_t bias_place(const Part&) const { return 0; }
};

template <class T, class S>
static void by_tiles(const Conv2dBackwardKernel& op, const View& grad, const View& x,
                     Stream& stream) {
  const Conv2dSizes s = op.sizes();
  const int64_t pixels = s.images * s.out_height * s.out_width / op.samples();
  const Conv2dOfKernel<T> form{own_side<T>(grad, s.kernels, s.group_kernels()),
                               conv2d_images<T>(x, s.groups),
                               result_pixels(s),
                               kernel_taps(s, stream),
                               s.groups,
                               s.group_kernels(),
                               s.depth(),
                               pixels};
  const Conv2dProduct product{s.group_kernels(), s.depth(), pixels, op.samples() * s.groups,
                              s.depth()};
  using Sum = std::conditional_t<sizeof(T) == 2, float, T>;
  const Added<Sum, S> added{op.grad_kernel.as<S>(), nullptr, Sum(op.beta)};
  if constexpr (sizeof(T) == 2)
    run_half_conv2d<T>(product, form, op.grad_kernel, added, stream);
  else
    run_conv2d<T>(product, form, op.grad_kernel, added, stream);
}

static void by_channel(const Conv2dBackwardKernel& op, Stream& stream) {
  const Conv2dSizes s = op.sizes();
  const int64_t images = s.images / op.samples();
  reduce_columns<Sum>(stream, images * s.out_height * s.out_width, op.grad_kernel.size(),
                      ProductOfChannel{op.grad, op.x, images, ChannelSizes(s)},
                      ElementOfKernels{op.grad_kernel, op.beta, ChannelSizes(s)});
}

static void conv2d_backward_kernel(const Conv2dBackwardKernel& op, Stream& stream) {
  const Conv2dSizes s = op.sizes();
  if (is_by_channel(s)) return by_channel(op, stream);
  if (!holds_halves(op.grad))
    return visit(op.grad.dtype, [&]<class T>() { by_tiles<T, T>(op, op.grad, op.x, stream); });
  visit_half(op.grad.dtype, [&]<class T>() {
    if (multiplies_halves(stream, op.grad.dtype) && are_chunks<T>(op.grad, s.group_kernels()) &&
        are_chunks<T>(op.x, s.group_channels()))
      by_tiles<T, T>(op, op.grad, op.x, stream);
    else
      by_tiles<float, T>(op, widened(op.grad, stream), widened(op.x, stream), stream);
  });
}
ORTHOKIT_KERNEL(Conv2dBackwardKernel, conv2d_backward_kernel);

}  // namespace orthokit::cuda
