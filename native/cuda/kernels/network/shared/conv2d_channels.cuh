// Convolutions with one kernel for each channel, whose products have one side: element by element.
#pragma once
#include "cuda/columns.cuh"
#include "cuda/device/fused.cuh"
#include "cuda/matrix.cuh"
#include "cuda/vector.cuh"
#include "ops/network/conv2d.h"
#include "ops/network/conv2d_backward_input.h"
#include "ops/network/conv2d_backward_kernel.h"

namespace orthokit::cuda {

// The sizes, as they stand in a kernel's parameters.
struct ChannelSizes {
  int64_t height, width, channels, out_height, out_width;
  int kernel_height, kernel_width, stride[2], padding[2], dilation[2];

  explicit ChannelSizes(const Conv2dSizes& s)
      : height(s.height),
        width(s.width),
        channels(s.channels),
        out_height(s.out_height),
        out_width(s.out_width),
        kernel_height(int(s.kernel_height)),
        kernel_width(int(s.kernel_width)) {
    for (int axis = 0; axis < 2; ++axis) {
      stride[axis] = int(s.stride[axis]), padding[axis] = int(s.padding[axis]);
      dilation[axis] = int(s.dilation[axis]);
    }
  }
  // The image's row or column under element `tap` of a kernel at place i.
  __device__ int64_t under(int axis, int64_t i, int tap) const {
    return i * stride[axis] + int64_t(tap) * dilation[axis] - padding[axis];
  }
  // The place at which element `tap` lies on a row or column; negative: there is none.
  __device__ int64_t place_on(int axis, int64_t h, int tap) const {
    const int64_t at = h + padding[axis] - int64_t(tap) * dilation[axis];
    return at < 0 || at % stride[axis] != 0 ? -1 : at / stride[axis];
  }
};

// Kernels [channels, plane] as taps [plane, channels]: neighbouring channels read neighbours.
template <class T>
struct TapsOfChannels {
  View kernel;
  T* taps;
  int64_t plane, channels;
  template <int N>
  __device__ void operator()(int64_t tap, int64_t c) const {
    Group<T, N> group;
#pragma unroll
    for (int v = 0; v < N; ++v) {
      T factor[kVector];
      load(kernel.data, kernel.dtype, (c + v) * plane + tap, 1, factor);
      group.of[v] = factor[0];
    }
    store_group(taps, tap * channels + c, group);
  }
};
template <class T>
const T* taps_of_channels(const View& kernel, const Conv2dSizes& s, Stream& stream) {
  const int64_t plane = s.kernel_height * s.kernel_width;
  T* taps = stream.scratch<T>(plane * s.channels);
  for_matrix(stream, plane, s.channels, TapsOfChannels<T>{kernel, taps, plane, s.channels});
  return taps;
}

// sums += images[at …] ⊙ a tap of N channels.
template <class T, int N>
__device__ __forceinline__ void add_tap(const View& image, int64_t at, const T* tap,
                                        T (&sums)[kVector]) {
  T values[kVector];
  load(image.data, image.dtype, at, N, values);
  const Group<T, N> factors = load_group<N>(tap, 0);
#pragma unroll
  for (int v = 0; v < N; ++v) sums[v] = fused(values[v], factors.of[v], sums[v]);
}

template <class T>
struct ChannelsOfResult {
  static constexpr int kBlocks = sizeof(T) == 8 ? 3 : 4;
  View x, bias, out;
  const T* taps;
  ChannelSizes s;
  template <int N>
  __device__ void operator()(int64_t pixel, int64_t c) const {
    const int64_t j = pixel % s.out_width, i = pixel / s.out_width % s.out_height,
                  n = pixel / s.out_width / s.out_height;
    T sums[kVector] = {};
    if (bias.data) load(bias.data, bias.dtype, c, N, sums);
    for (int u = 0; u < s.kernel_height; ++u)
      for (int v = 0; v < s.kernel_width; ++v) {
        const int64_t row = s.under(0, i, u), column = s.under(1, j, v);
        if (row >= 0 && row < s.height && column >= 0 && column < s.width)
          add_tap<T, N>(x, ((n * s.height + row) * s.width + column) * s.channels + c,
                        taps + (u * s.kernel_width + v) * s.channels + c, sums);
      }
    store(out.data, out.dtype, pixel * s.channels + c, N, sums);
  }
};

template <class T>
struct ChannelsOfInput {
  View grad, grad_x;
  const T* taps;
  T beta;
  ChannelSizes s;
  template <int N>
  __device__ void operator()(int64_t pixel, int64_t c) const {
    const int64_t w = pixel % s.width, h = pixel / s.width % s.height,
                  n = pixel / s.width / s.height;
    T sums[kVector] = {};
    for (int u = 0; u < s.kernel_height; ++u)
      for (int v = 0; v < s.kernel_width; ++v) {
        const int64_t i = s.place_on(0, h, u), j = s.place_on(1, w, v);
        if (i >= 0 && i < s.out_height && j >= 0 && j < s.out_width)
          add_tap<T, N>(grad, ((n * s.out_height + i) * s.out_width + j) * s.channels + c,
                        taps + (u * s.kernel_width + v) * s.channels + c, sums);
      }
    const int64_t at = pixel * s.channels + c;
    if (beta != 0) {
      T old[kVector];
      load(grad_x.data, grad_x.dtype, at, N, old);
#pragma unroll
      for (int v = 0; v < kVector; ++v) sums[v] = fused(beta, old[v], sums[v]);
    }
    store(grad_x.data, grad_x.dtype, at, N, sums);
  }
};

// Rows are the pixels of a sample's results, columns the elements (sample, tap, channel).
struct ProductOfChannel {
  View grad, x;
  int64_t images;  // of a sample
  ChannelSizes s;
  __device__ double operator()(int64_t pixel, int64_t element) const {
    const int64_t c = element % s.channels, tap = element / s.channels,
                  plane = s.kernel_height * s.kernel_width, sample = tap / plane;
    const int u = int(tap % plane) / s.kernel_width, v = int(tap % plane) % s.kernel_width;
    const int64_t j = pixel % s.out_width, i = pixel / s.out_width % s.out_height,
                  n = sample * images + pixel / s.out_width / s.out_height;
    const int64_t row = s.under(0, i, u), column = s.under(1, j, v);
    if (row < 0 || row >= s.height || column < 0 || column >= s.width) return 0;
    double a[kVector], b[kVector];
    load(grad.data, grad.dtype, ((n * s.out_height + i) * s.out_width + j) * s.channels + c, 1, a);
    load(x.data, x.dtype, ((n * s.height + row) * s.width + column) * s.channels + c, 1, b);
    return a[0] * b[0];
  }
};
struct ElementOfKernels {
  View grad_kernel;
  double beta;
  ChannelSizes s;
  __device__ void operator()(int64_t element, double sum) const {
    const int64_t c = element % s.channels, tap = element / s.channels,
                  plane = s.kernel_height * s.kernel_width;
    const int64_t at = (tap / plane * s.channels + c) * plane + tap % plane;
    double value[kVector] = {};
    if (beta != 0) load(grad_kernel.data, grad_kernel.dtype, at, 1, value);
    value[0] = beta == 0 ? sum : fused(beta, value[0], sum);
    store(grad_kernel.data, grad_kernel.dtype, at, 1, value);
  }
};

}  // namespace orthokit::cuda
