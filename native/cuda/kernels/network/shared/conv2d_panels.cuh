// Operands of a convolution's products, gathered chunk by chunk: nothing is unfolded but what lies
// in shared memory.
#pragma once
#include <climits>

#include "cuda/tile.cuh"
#include "ops/network/shared/conv2d.h"

namespace orthokit::cuda {

// An element of a kernel: where its pixel lies from that of the first one, and its number. One
// access reads it.
struct alignas(16) Conv2dTap {
  int down, across, element, unused = 0;
};

// Images [·, height, width, channels], of which a group's channels are taken.
template <class T>
struct Conv2dImages {
  const T* data;
  int height, width, channels, group_channels;
  bool whole;  // chunks of a group's channels are aligned to 16 bytes
};

// Rows of a product that are pixels: p is column p % columns of row p / columns % rows of image p /
// (rows · columns), and its first tap lies at these places, times the steps.
struct Conv2dPixels {
  int64_t count;
  int rows, columns;
  int first_row, first_column, row_step, column_step;
};

struct Conv2dPlace {
  int64_t image;
  int row, column;
};
__device__ __forceinline__ Conv2dPlace place_of(const Conv2dPixels& pixels, int64_t p) {
  const int64_t row = p / pixels.columns;
  return {row / pixels.rows, int(row % pixels.rows) * pixels.row_step + pixels.first_row,
          int(p - row * pixels.columns) * pixels.column_step + pixels.first_column};
}
// Lies nowhere in an image, at any tap: sums with it wrap, as unsigned ones do.
__device__ __forceinline__ Conv2dPlace no_place() { return {0, INT_MIN, 0}; }

// Channel c of a tap; null beyond the edges.
template <class T>
__device__ __forceinline__ const T* pixel_at(const Conv2dImages<T>& images, const T* first,
                                             const Conv2dPlace& place, int down, int across,
                                             int c) {
  const unsigned row = unsigned(place.row) + unsigned(down);
  const unsigned column = unsigned(place.column) + unsigned(across);
  if (row >= unsigned(images.height) || column >= unsigned(images.width)) return nullptr;
  return first +
         ((place.image * images.height + row) * images.width + column) * int64_t(images.channels) +
         c;
}

// Rows are pixels; their depth is (tap, channel).
template <class T, class Layout_>
class PixelRows : public Layout_ {
 public:
  using Layout = Layout_;
  static_assert(Layout::kDeep);

  __device__ PixelRows(const Conv2dImages<T>& images, const Conv2dPixels& pixels,
                       const Conv2dTap* taps, int64_t group, int64_t row, int64_t from)
      : images_(images),
        first_(images.data + group * images.group_channels),
        taps_(taps),
        next_(int(from) + Layout::my_place()) {
#pragma unroll
    for (int i = 0; i < kPlaces; ++i) {
      const int64_t p = row + Layout::my_line() + i * Layout::kLinesAtOnce;
      places_[i] = p < pixels.count ? place_of(pixels, p) : no_place();
    }
  }

  // Begins to copy the next stage, of which `depth` elements exist, or more; zeros follow them.
  __device__ __forceinline__ void fetch(T* stage, int depth) {
    constexpr int kV = Layout::kV;
    const int exist = depth - Layout::my_place(), channels = images_.group_channels;
    int tap = next_ / channels, c = next_ - tap * channels;
    T* to = stage + Layout::my_target();
    next_ += Layout::kDepth;
    if (sizeof(T) == 2 || images_.whole) {
      const Conv2dTap t = exist > 0 ? taps_[tap] : Conv2dTap{};
#pragma unroll
      for (int i = 0; i < kPlaces; ++i) {
        const T* from = pixel_at(images_, first_, places_[i], t.down, t.across, c);
        Layout::copy(to + i * Layout::kLinesAtOnce * Layout::kPitch, from ? from : first_,
                     from ? exist : 0);
      }
      return;
    }
    if constexpr (sizeof(T) > 2) {
#pragma unroll 1
      for (int v = 0; v < kV; ++v) {
        const Conv2dTap t = v < exist ? taps_[tap] : Conv2dTap{};
#pragma unroll
        for (int i = 0; i < kPlaces; ++i) {
          const T* from = pixel_at(images_, first_, places_[i], t.down, t.across, c);
          const bool is_there = from && v < exist;
          cp_async<sizeof(T)>(to + i * Layout::kLinesAtOnce * Layout::kPitch + v,
                              is_there ? from : first_, is_there ? sizeof(T) : 0);
        }
        if (++c == channels) c = 0, ++tap;
      }
    }
  }

 private:
  static constexpr int kPlaces = Layout::kLines / Layout::kLinesAtOnce;
  const Conv2dImages<T>& images_;  // a kernel's parameter
  const T* first_;
  const Conv2dTap* taps_;
  int next_;  // element of the depth, of the calling thread
  Conv2dPlace places_[kPlaces];
};

// The depth is pixels; rows are (tap, channel).
template <class T, class Layout_>
class PixelDepth : public Layout_ {
 public:
  using Layout = Layout_;
  static_assert(!Layout::kDeep);

  // Of `rows` rows in all.
  __device__ PixelDepth(const Conv2dImages<T>& images, const Conv2dPixels& pixels,
                        const Conv2dTap* taps, int64_t group, int64_t row, int64_t rows,
                        int64_t from)
      : images_(images),
        pixels_(pixels),
        first_(images.data + group * images.group_channels),
        taps_(taps),
        row_(int(row) + Layout::my_place()),
        exist_(int(rows - row_ < Layout::kV ? rows - row_ : Layout::kV)),
        next_(from + Layout::my_line()) {
    tap_ = row_ / images.group_channels, channel_ = row_ - tap_ * images.group_channels;
    first_tap_ = exist_ > 0 ? taps[tap_] : Conv2dTap{};
  }

  __device__ __forceinline__ void fetch(T* stage, int depth) {
    T* to = stage + Layout::my_target();
#pragma unroll
    for (int i = 0; i < kPlaces; ++i, to += Layout::kLinesAtOnce * Layout::kPitch) {
      const bool is_there = Layout::my_line() + i * Layout::kLinesAtOnce < depth && exist_ > 0;
      const Conv2dPlace place =
          is_there ? place_of(pixels_, next_ + i * Layout::kLinesAtOnce) : no_place();
      if (sizeof(T) == 2 || images_.whole) {
        const T* from =
            pixel_at(images_, first_, place, first_tap_.down, first_tap_.across, channel_);
        Layout::copy(to, from ? from : first_, from ? exist_ : 0);
      } else if constexpr (sizeof(T) > 2) {
        copy_each(to, place);
      }
    }
    next_ += Layout::kDepth;
  }

 private:
  __device__ __forceinline__ void copy_each(T* to, const Conv2dPlace& place) const {
    int tap = tap_, c = channel_;
#pragma unroll 1
    for (int v = 0; v < Layout::kV; ++v) {
      const Conv2dTap t = v < exist_ ? taps_[tap] : Conv2dTap{};
      const T* from = pixel_at(images_, first_, place, t.down, t.across, c);
      const bool is_there = from && v < exist_;
      cp_async<sizeof(T)>(to + v, is_there ? from : first_, is_there ? sizeof(T) : 0);
      if (++c == images_.group_channels) c = 0, ++tap;
    }
  }

  static constexpr int kPlaces = Layout::kLines / Layout::kLinesAtOnce;
  const Conv2dImages<T>& images_;  // kernel's parameters
  const Conv2dPixels& pixels_;
  const T* first_;
  const Conv2dTap* taps_;
  int row_, exist_, tap_, channel_;  // of the calling thread's chunk
  int64_t next_;                     // pixel
  Conv2dTap first_tap_;
};

// Kernels [kernels, plane, channels] of a group; the depth is (tap, kernel), rows are channels.
template <class T>
struct Conv2dKernels {
  const T* data;
  int kernels, plane, channels;
  bool whole;
};
template <class T, class Layout_>
class KernelDepth : public Layout_ {
 public:
  using Layout = Layout_;
  static_assert(!Layout::kDeep);

  __device__ KernelDepth(const Conv2dKernels<T>& kernels, const Conv2dTap* taps, int64_t group,
                         int64_t row, int64_t from)
      : kernels_(kernels),
        first_(kernels.data + group * kernels.kernels * kernels.plane * kernels.channels + row +
               Layout::my_place()),
        taps_(taps),
        exist_(int(kernels.channels - row) - Layout::my_place()),
        next_(int(from) + Layout::my_line()) {}

  __device__ __forceinline__ void fetch(T* stage, int depth) {
    T* to = stage + Layout::my_target();
#pragma unroll
    for (int i = 0; i < kPlaces; ++i, to += Layout::kLinesAtOnce * Layout::kPitch) {
      const bool is_there = Layout::my_line() + i * Layout::kLinesAtOnce < depth && exist_ > 0;
      const int k = next_ + i * Layout::kLinesAtOnce, tap = k / kernels_.kernels,
                kernel = k - tap * kernels_.kernels;
      const T* from = is_there ? first_ + (int64_t(kernel) * kernels_.plane + taps_[tap].element) *
                                              kernels_.channels
                               : kernels_.data;
      if constexpr (sizeof(T) == 2)
        Layout::copy(to, from, is_there ? exist_ : 0);
      else
        Layout::copy(to, from, is_there ? exist_ : 0, kernels_.whole);
    }
    next_ += Layout::kDepth;
  }

 private:
  static constexpr int kPlaces = Layout::kLines / Layout::kLinesAtOnce;
  const Conv2dKernels<T>& kernels_;  // a kernel's parameter
  const T* first_;
  const Conv2dTap* taps_;
  int exist_, next_;  // of the calling thread
};

}  // namespace orthokit::cuda
