// Rows of an image with its padding, as a convolution walks over them.
#pragma once
#include <cstring>

#include "cpu/convert.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Rows [from, to) of an image [height, width, channels] that has zeros around it, `left` columns
// before the first and `wide` columns altogether; of its channels `count` from `first` on, each
// pixel `pixel` elements wide.
struct ImageRows {
  View images;
  int64_t image, from, to, left, wide, first, count, pixel;

  int64_t size() const { return (to - from) * wide * pixel; }
  // True of what need not be copied.
  template <class T>
  bool lies_as_it_is() const {
    return bytes_of(images.dtype) == sizeof(T) && left == 0 && wide == images.shape[2] &&
           from >= 0 && to <= images.shape[1] && count == images.shape[3] && pixel == count;
  }
  // The first of these rows, in the images or copied into the buffer of size().
  template <class T>
  const T* read(T* buffer) const {
    const int64_t height = images.shape[1], width = images.shape[2], channels = images.shape[3];
    if (lies_as_it_is<T>()) return images.as<T>() + (image * height + from) * width * channels;
    const int64_t columns = std::clamp<int64_t>(wide - left, 0, width), row = wide * pixel;
    T* out = buffer;
    for (int64_t i = from; i < to; ++i, out += row) {
      if (i < 0 || i >= height) {
        std::fill_n(out, row, T(0));
        continue;
      }
      std::fill_n(out, left * pixel, T(0));
      T* to_pixel = out + left * pixel;
      const int64_t at = (image * height + i) * width * channels + first;
      if (count == channels && pixel == count)
        copy(at, columns * count, to_pixel);
      else
        for (int64_t j = 0; j < columns; ++j, to_pixel += pixel) {
          copy(at + j * channels, count, to_pixel);
          std::fill_n(to_pixel + count, pixel - count, T(0));
        }
      std::fill_n(out + (left + columns) * pixel, (wide - left - columns) * pixel, T(0));
    }
    return buffer;
  }

 private:
  template <class T>
  void copy(int64_t at, int64_t n, T* out) const {
    const T* from_image = load(images, at, n, out);
    if (from_image != out) std::memcpy(out, from_image, size_t(n) * sizeof(T));
  }
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
