#include "cuda/kernels/network/shared/conv2d_channels.cuh"
#include "cuda/kernels/network/shared/conv2d_tiles.cuh"
#include "ops/network/conv2d_backward_input.h"

namespace orthokit::cuda {

// Pixels first_row + r stride, first_column + q stride that the same taps reach.
struct Conv2dPhase {
  int first_row, first_column, rows, columns;
  int first_tap, taps;
};

// Rows are the pixels of a phase, columns channels of a group: the kernels mirrored.
template <class T>
struct Conv2dOfInput {
  static constexpr bool kDeepA = true, kDeepB = false;
  template <class Layout>
  using A = PixelRows<T, Layout>;
  template <class Layout>
  using B = KernelDepth<T, Layout>;
  Conv2dImages<T> images;
  Conv2dKernels<T> kernels;
  const Conv2dPhase* phases;
  const Conv2dTap* taps;
  int groups, height, width, channels, row_step, column_step;
  int64_t count;  // images

  struct Part {
    int64_t group, rows, depth;
    Conv2dPhase phase;
  };
  __device__ Part part(int64_t batch, int64_t from, int64_t depth) const {
    const Conv2dPhase phase = phases[batch / groups];
    const int64_t rest = int64_t(phase.taps) * kernels.kernels - from;
    return {batch % groups, count * phase.rows * phase.columns,
            rest < 0       ? 0
            : rest < depth ? rest
                           : depth,
            phase};
  }
  template <class Panel>
  __device__ Panel a(const Part& p, int64_t row, int64_t from) const {
    const Conv2dPixels pixels{p.rows, p.phase.rows, p.phase.columns, 0, 0, 1, 1};
    return {images, pixels, taps + p.phase.first_tap, p.group, row, from};
  }
  template <class Panel>
  __device__ Panel b(const Part& p, int64_t column, int64_t from) const {
    return {kernels, taps + p.phase.first_tap, p.group, column, from};
  }
  __device__ int64_t place(const Part& p, int64_t row) const {
    const int64_t line = row / p.phase.columns, image = line / p.phase.rows;
    const int64_t h = line % p.phase.rows * row_step + p.phase.first_row,
                  w = row % p.phase.columns * column_step + p.phase.first_column;
    return ((image * height + h) * width + w) * channels + p.group * kernels.channels;
  }
  __device__ int64_t bias_place(const Part&) const { return 0; }
};

// Kernel elements that reach pixel `first` of an axis, and the results that they reach it from.
static std::vector<std::pair<int, int>> reach(const Conv2dSizes& s, int axis, int64_t first) {
  std::vector<std::pair<int, int>> found;
  const int64_t size = axis == 0 ? s.kernel_height : s.kernel_width;
  for (int64_t k = 0; k < size; ++k) {
    const int64_t at = first + s.padding[axis] - k * s.dilation[axis];
    if (at % s.stride[axis] == 0) found.emplace_back(int(k), int(at / s.stride[axis]));
  }
  return found;
}

struct Conv2dPhases {
  std::vector<Conv2dPhase> phases;
  std::vector<Conv2dTap> taps;
  int most = 0;  // taps of a phase
  explicit Conv2dPhases(const Conv2dSizes& s) {
    const int64_t rows = std::min(s.stride[0], s.height), columns = std::min(s.stride[1], s.width);
    for (int64_t h = 0; h < rows; ++h)
      for (int64_t w = 0; w < columns; ++w) {
        Conv2dPhase phase{int(h),
                          int(w),
                          int(parts_of(s.height - h, s.stride[0])),
                          int(parts_of(s.width - w, s.stride[1])),
                          int(taps.size()),
                          0};
        for (auto [u, down] : reach(s, 0, h))
          for (auto [v, across] : reach(s, 1, w))
            taps.push_back({down, across, u * int(s.kernel_width) + v});
        phase.taps = int(taps.size()) - phase.first_tap;
        most = std::max(most, phase.taps);
        phases.push_back(phase);
      }
    if (taps.empty()) taps.push_back({});  // a table has something in it
  }
};

template <class T, class S>
static void by_tiles(const Conv2dBackwardInput& op, const View& grad, const View& kernel,
                     Stream& stream) {
  const Conv2dSizes s = op.sizes();
  const Conv2dPhases all(s);
  const int64_t channels = s.group_channels(), kernels = s.group_kernels();
  const Conv2dOfInput<T> form{
      conv2d_images<T>(grad, s.groups),
      {kernel.as<T>(), int(kernels), int(s.kernel_height * s.kernel_width), int(channels),
       is_aligned(kernel.as<T>()) && channels % kChunk<T> == 0},
      stream.table(all.phases.data(), int64_t(all.phases.size())),
      stream.table(all.taps.data(), int64_t(all.taps.size())),
      int(s.groups),
      int(s.height),
      int(s.width),
      int(s.channels),
      int(s.stride[0]),
      int(s.stride[1]),
      s.images};
  const Conv2dPhase& largest = all.phases[0];
  const Conv2dProduct product{s.images * largest.rows * largest.columns, channels,
                              all.most * kernels, s.groups * int64_t(all.phases.size()), channels};
  using Sum = std::conditional_t<sizeof(T) == 2, float, T>;
  const Added<Sum, S> added{op.grad_x.as<S>(), nullptr, Sum(op.beta)};
  if constexpr (sizeof(T) == 2)
    run_half_conv2d<T>(product, form, op.grad_x, added, stream);
  else
    run_conv2d<T>(product, form, op.grad_x, added, stream);
}

static void by_channel(const Conv2dBackwardInput& op, Stream& stream) {
  const Conv2dSizes s = op.sizes();
  const auto run = [&]<class T>() {
    for_matrix(stream, op.grad_x.size() / s.channels, s.channels,
               ChannelsOfInput<T>{op.grad, op.grad_x, taps_of_channels<T>(op.kernel, s, stream),
                                  T(op.beta), ChannelSizes(s)});
  };
  op.grad.dtype == Dtype::kF64 ? run.operator()<double>() : run.operator()<float>();
}

static void conv2d_backward_input(const Conv2dBackwardInput& op, Stream& stream) {
  if (op.grad_x.size() == 0) return;
  const Conv2dSizes s = op.sizes();
  if (is_by_channel(s)) return by_channel(op, stream);
  if (!holds_halves(op.grad))
    return visit(op.grad.dtype, [&]<class T>() { by_tiles<T, T>(op, op.grad, op.kernel, stream); });
  visit_half(op.grad.dtype, [&]<class T>() {
    if (multiplies_halves(stream, op.grad.dtype) && are_chunks<T>(op.grad, s.group_kernels()) &&
        are_chunks<T>(op.kernel, s.group_channels()))
      by_tiles<T, T>(op, op.grad, op.kernel, stream);
    else
      by_tiles<float, T>(op, widened(op.grad, stream), widened(op.kernel, stream), stream);
  });
}
ORTHOKIT_KERNEL(Conv2dBackwardInput, conv2d_backward_input);

}  // namespace orthokit::cuda
