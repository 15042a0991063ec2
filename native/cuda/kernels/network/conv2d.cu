#include "cuda/kernels/network/shared/conv2d_channels.cuh"
#include "cuda/kernels/network/shared/conv2d_tiles.cuh"
#include "ops/network/conv2d.h"

namespace orthokit::cuda {

// Rows are pixels of the result, columns kernels of a group.
template <class T>
struct Conv2dForward {
  static constexpr bool kDeepA = true, kDeepB = true;
  template <class Layout>
  using A = PixelRows<T, Layout>;
  template <class Layout>
  using B = OwnPanel<T, Layout>;
  Conv2dImages<T> images;
  Conv2dPixels pixels;
  const Conv2dTap* taps;
  OwnSide<T> kernel;
  int64_t kernels, all_kernels;

  struct Part {
    int64_t group, rows, depth;
  };
  __device__ Part part(int64_t batch, int64_t, int64_t depth) const {
    return {batch, pixels.count, depth};
  }
  template <class Panel>
  __device__ Panel a(const Part& p, int64_t row, int64_t from) const {
    return {images, pixels, taps, p.group, row, from};
  }
  template <class Panel>
  __device__ Panel b(const Part& p, int64_t column, int64_t from) const {
    return {kernel, p.group * kernels * kernel.stride, column, kernels, from};
  }
  __device__ int64_t place(const Part& p, int64_t row) const {
    return row * all_kernels + p.group * kernels;
  }
  __device__ int64_t bias_place(const Part& p) const { return p.group * kernels; }
};

template <class T, class S>
static void by_tiles(const Conv2d& op, const View& x, const View& kernel, Stream& stream) {
  const Conv2dSizes s = op.sizes();
  const Conv2dForward<T> form{
      conv2d_images<T>(x, s.groups),  result_pixels(s),  kernel_taps(s, stream),
      own_side<T>(kernel, s.depth()), s.group_kernels(), s.kernels};
  const Conv2dProduct product{s.images * s.out_height * s.out_width, s.group_kernels(), s.depth(),
                              s.groups, s.group_kernels()};
  using Sum = std::conditional_t<sizeof(T) == 2, float, T>;
  const Added<Sum, S> added{op.out.as<S>(), op.bias ? op.bias.as<S>() : nullptr, Sum(0)};
  if constexpr (sizeof(T) == 2)
    run_half_conv2d<T>(product, form, op.out, added, stream);
  else
    run_conv2d<T>(product, form, op.out, added, stream);
}

static void by_channel(const Conv2d& op, Stream& stream) {
  const Conv2dSizes s = op.sizes();
  const auto run = [&]<class T>() {
    for_matrix(stream, op.out.size() / s.channels, s.channels,
               ChannelsOfResult<T>{op.x, op.bias, op.out, taps_of_channels<T>(op.kernel, s, stream),
                                   ChannelSizes(s)});
  };
  op.x.dtype == Dtype::kF64 ? run.operator()<double>() : run.operator()<float>();
}

static void conv2d(const Conv2d& op, Stream& stream) {
  if (op.out.size() == 0) return;
  const Conv2dSizes s = op.sizes();
  if (is_by_channel(s)) return by_channel(op, stream);
  if (!holds_halves(op.x))
    return visit(op.x.dtype, [&]<class T>() { by_tiles<T, T>(op, op.x, op.kernel, stream); });
  visit_half(op.x.dtype, [&]<class T>() {
    if (multiplies_halves(stream, op.x.dtype) && are_chunks<T>(op.x, s.group_channels()) &&
        are_chunks<T>(op.kernel, s.group_channels()))
      by_tiles<T, T>(op, op.x, op.kernel, stream);
    else
      by_tiles<float, T>(op, widened(op.x, stream), widened(op.kernel, stream), stream);
  });
}
ORTHOKIT_KERNEL(Conv2d, conv2d);

}  // namespace orthokit::cuda
