// The gradient of images of few channels, whose lanes would idle: for a row of results, the product
// with all kernels, which is then added to the pixels that it belongs to.
#pragma once
#include "cpu/kernels/network/shared/image_rows.h"
#include "cpu/kernels/network/shared/pack_kernels.h"
#include "cpu/slots.h"
#include "ops/network/conv2d_backward_input.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
class ScatterInput {
 public:
  static bool pays(const Conv2dSizes& s) { return s.groups == 1 && s.channels < 8; }

  ScatterInput(const Conv2dBackwardInput& op, Stream& stream)
      : op_(op), s_(op.sizes()), stream_(stream) {
    reach_ = s_.dilation[0] * (s_.kernel_height - 1) + 1;
    // A pixel of a row of the padded images, and what a kernel reaches beyond the last one.
    wide_ = s_.width + 2 * s_.padding[1];
    // Rows of gradX: those beside them are computed once more.
    band_ = std::clamp<int64_t>(16 * reach_, 16, std::max<int64_t>(16, s_.height));
    pack();
  }

  void run() const {
    const int64_t bands = (s_.height + band_ - 1) / band_, columns = s_.depth();
    const int64_t image = band_ * wide_ * s_.channels, row = s_.out_width * columns;
    const SlotsOf<T> slots(stream_, image + row + s_.out_width * s_.kernels);
    stream_.parallel(s_.images * bands, [&](int64_t part) {
      slots.borrow([&](T* buffer) {
        run_band(part / bands, part % bands * band_, buffer, buffer + image, buffer + image + row);
      });
    });
  }

 private:
  // Panels [kernels][width] of the elements of a kernel.
  void pack() {
    const int64_t depth = s_.depth(), columns = kRowTileColumns<T>;
    T* weights = stream_.scratch<T>(packed_size<T>(s_.kernels, depth));
    weights_ = weights;
    stream_.parallel((depth + columns - 1) / columns, [&](int64_t part) {
      const int64_t k = part * columns, n = std::min(columns, depth - k),
                    width = whole_vectors<T>(n);
      T* out = weights + k * s_.kernels;
      for (int64_t o = 0; o < s_.kernels; ++o, out += width) {
        const T* from = load(op_.kernel, o * depth + k, n, out);
        if (from != out) std::copy_n(from, n, out);
        std::fill_n(out + n, width - n, T(0));
      }
    });
  }

  void run_band(int64_t image, int64_t from, T* pixels, T* products, T* row_of_grad) const {
    const int64_t to = std::min(from + band_, s_.height), pad = s_.padding[0];
    const int64_t stride = s_.stride[0], columns = s_.depth();
    std::fill_n(pixels, (to - from) * wide_ * s_.channels, T(0));
    const int64_t first = std::max<int64_t>(0, (from + pad - reach_ + stride) / stride),
                  last = std::min(s_.out_height, (to - 1 + pad) / stride + 1);
    View own = op_.grad;
    own.data = products;
    own.dtype = sizeof(T) == 4 ? Dtype::kF32 : Dtype::kF64;
    const Walk walk{1, s_.out_width, 0, s_.kernels, {kNoOffset, 1, s_.kernels}};
    const SumsTo<T> sums{own, 0, s_.out_width * columns, columns, columns, 0, nullptr};
    for (int64_t i = first; i < last; ++i) {
      const ImageRows grad{op_.grad, image, i, i + 1, 0, s_.out_width, 0, s_.kernels, s_.kernels};
      convolve(walk, grad.read(row_of_grad), weights_, sums);
      for (int64_t u = 0; u < s_.kernel_height; ++u) {
        const int64_t h = i * stride - pad + u * s_.dilation[0];
        if (h >= from && h < to)
          add_row(products + u * s_.kernel_width * s_.channels,
                  pixels + (h - from) * wide_ * s_.channels);
      }
    }
    const SumsTo<T> out{op_.grad_x, 0, 0, 0, 0, T(op_.beta), nullptr};
    for (int64_t h = from; h < to; ++h)
      out.store(pixels + ((h - from) * wide_ + s_.padding[1]) * s_.channels,
                (image * s_.height + h) * s_.width * s_.channels, s_.width * s_.channels);
  }

  // One row of the kernel for each pixel of a row of results.
  void add_row(const T* products, T* row) const {
    const int64_t channels = s_.channels, depth = s_.depth();
    const bool adjacent = s_.dilation[1] == 1;
    const int64_t run = adjacent ? s_.kernel_width * channels : channels;
    for (int64_t j = 0; j < s_.out_width; ++j, products += depth)
      for (int64_t v = 0; v < s_.kernel_width; v += adjacent ? s_.kernel_width : 1) {
        T* to = row + (j * s_.stride[1] + v * s_.dilation[1]) * channels;
        const T* from = products + v * channels;
        for (int64_t c = 0; c < run; ++c) to[c] += from[c];
      }
  }

  const Conv2dBackwardInput& op_;
  Conv2dSizes s_;
  Stream& stream_;
  int64_t reach_, wide_, band_;
  const T* weights_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
