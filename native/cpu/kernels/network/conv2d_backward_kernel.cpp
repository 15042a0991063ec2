#include "ops/network/conv2d_backward_kernel.h"

#include "cpu/kernels/network/shared/conv2d_bands.h"
#include "cpu/kernels/network/shared/convolve_inside.h"
#include "cpu/kernels/network/shared/image_rows.h"
#include "cpu/kernels/network/shared/winograd_kernel.h"
#include "cpu/row_tile.h"
#include "cpu/slots.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

// Σ over pixels of x[pixel + k] · grad[pixel, o], in registers for the pixels of a band: some rows
// of an image. Bands are added in order, in fixed slots, and slots in order.
template <class T>
class BackwardKernel {
 public:
  BackwardKernel(const Conv2dBackwardKernel& op, Stream& stream)
      : op_(flattened(op)), s_(op_.sizes()), stream_(stream), by_channel_(is_by_channel(s_)) {
    groups_ = by_channel_ ? 1 : s_.groups;
    channels_ = s_.channels / groups_, kernels_ = s_.kernels / groups_;
    pixel_ = by_channel_ ? whole_vectors<T>(channels_) : channels_;
    wide_ = s_.width + 2 * s_.padding[1];
    reach_ = s_.dilation[0] * (s_.kernel_height - 1) + 1;
    // Images that are none may have become rows of one that has none.
    band_ = std::clamp<int64_t>(kBandPixels / s_.out_width, 1, std::max<int64_t>(1, s_.out_height));
    bands_ = (s_.out_height + band_ - 1) / band_;
    images_ = s_.images / op_.samples();
    sums_ = KernelSums<T>(op_.grad_kernel, groups_, images_ * bands_, stream);
    const int64_t depth = s_.depth();
    auto* at = stream.scratch<int64_t>(depth + band_);
    for (int64_t k = 0; k < depth; ++k) {
      const int64_t c = k % s_.group_channels(), place = k / s_.group_channels();
      at[k] = (place / s_.kernel_width * s_.dilation[0] * wide_ +
               place % s_.kernel_width * s_.dilation[1]) *
                  pixel_ +
              c;
    }
    at_ = at;
    for (int64_t i = 0; i < band_; ++i) at[depth + i] = i * s_.stride[0] * wide_ * pixel_;
    row_at_ = at + depth;
  }

  // `winograd`: the way that is tried first, or none.
  void run(const WinogradKernel* winograd = nullptr) const {
    const int64_t image = ((band_ - 1) * s_.stride[0] + reach_) * wide_ * pixel_,
                  grad = band_ * s_.out_width * kRowTileColumns<T>;
    const SlotsOf<T> slots(stream_, image + grad);
    for (int64_t sample = 0; sample < op_.samples(); ++sample) {
      if constexpr (std::is_same_v<T, float>)
        if (winograd && winograd->run(sample)) continue;
      stream_.parallel(sums_.units(), [&](int64_t unit) {
        slots.borrow(
            [&](T* buffer) { add_slot(sample, sums_.unit(unit), buffer, buffer + image); });
      });
      sums_.store(op_.grad_kernel, sample, T(op_.beta), stream_);
    }
  }

 private:
  using Unit = typename KernelSums<T>::Unit;
  static constexpr int64_t kBandPixels = 256;

  static Conv2dBackwardKernel flattened(Conv2dBackwardKernel op) {
    if (is_pointwise(op.sizes()))
      as_one_column(op.grad, op.samples()), as_one_column(op.x, op.samples());
    return op;
  }

  // The bands of a slot, for one panel of kernels. Zeros beyond the edges times a grad that is not
  // finite are NaN: then once more, without these products.
  void add_slot(int64_t sample, const Unit& unit, T* image_buffer, T* grad_buffer) const {
    add_bands(sample, unit, image_buffer, grad_buffer, false);
    if (!s_.is_padded() || are_finite(unit.sums, s_.depth() * unit.width)) return;
    std::fill_n(unit.sums, s_.depth() * unit.width, T(0));
    add_bands(sample, unit, image_buffer, grad_buffer, true);
  }

  void add_bands(int64_t sample, const Unit& unit, T* image_buffer, T* grad_buffer,
                 bool only_inside) const {
    for (int64_t part = unit.from; part < unit.to; ++part) {
      const int64_t image = sample * images_ + part / bands_, from = part % bands_ * band_,
                    rows = std::min(band_, s_.out_height - from),
                    first = from * s_.stride[0] - s_.padding[0];
      const ImageRows under{op_.x,
                            image,
                            first,
                            first + (rows - 1) * s_.stride[0] + reach_,
                            s_.padding[1],
                            wide_,
                            unit.group * channels_,
                            channels_,
                            pixel_};
      const T* x = under.read(image_buffer);
      int64_t grad_row = s_.kernels;
      const T* grad = panel_of_grad(image, from, rows, unit, grad_buffer, grad_row);
      if (only_inside)
        add_inside(x, grad, grad_row, from, rows, unit);
      else
        add_band(x, grad, grad_row, rows, unit, part == unit.from);
    }
  }

  const T* panel_of_grad(int64_t image, int64_t from, int64_t rows, const Unit& unit, T* buffer,
                         int64_t& row) const {
    const int64_t at = (image * s_.out_height + from) * s_.out_width * s_.kernels +
                       unit.group * kernels_ + unit.first;
    if (bytes_of(op_.grad.dtype) == sizeof(T) && unit.columns == unit.width)
      return op_.grad.as<T>() + at;
    row = unit.width;
    for (int64_t p = 0; p < rows * s_.out_width; ++p) {
      T* to = buffer + p * row;
      const T* pixel = load(op_.grad, at + p * s_.kernels, unit.columns, to);
      if (pixel != to) std::copy_n(pixel, unit.columns, to);
      std::fill_n(to + unit.columns, row - unit.columns, T(0));
    }
    return buffer;
  }

  void add_band(const T* x, const T* grad, int64_t grad_row, int64_t rows, const Unit& unit,
                bool first) const {
    const int64_t step = s_.stride[1] * pixel_;
    const bool one = s_.stride[0] * wide_ * pixel_ == s_.out_width * step;
    const Segments pixels{row_at_, one ? 1 : rows, one ? rows * s_.out_width : s_.out_width, step};
    add_elements(0, s_.depth(), x, pixels, grad, grad_row, unit, first);
  }

  // The products with pixels of the image alone: row by row for each tap of the kernels.
  void add_inside(const T* x, const T* grad, int64_t grad_row, int64_t from, int64_t rows,
                  const Unit& unit) const {
    const int64_t step = s_.stride[1] * pixel_;
    for (int64_t u = 0; u < s_.kernel_height; ++u)
      for (int64_t v = 0; v < s_.kernel_width; ++v) {
        const auto [top, bottom] = s_.places_inside(0, u);
        const auto [left, right] = s_.places_inside(1, v);
        const Segments pixels{kNoOffset, 1, right - left, step};
        const int64_t first = (u * s_.kernel_width + v) * s_.group_channels();
        for (int64_t i = std::max(top, from); i < std::min(bottom, from + rows); ++i)
          add_elements(first, s_.group_channels(), x + row_at_[i - from] + left * step, pixels,
                       grad + ((i - from) * s_.out_width + left) * grad_row, grad_row, unit, false);
      }
  }

  // Of `count` elements of the kernels.
  void add_elements(int64_t from, int64_t count, const T* x, const Segments& pixels, const T* grad,
                    int64_t grad_row, const Unit& unit, bool first) const {
    if (by_channel_) {
      for (int64_t k = from; k < from + count; ++k)
        add_channels(x + at_[k] + unit.first, pixels, grad, grad_row, unit.width,
                     unit.sums + k * unit.width, first);
      return;
    }
    const int64_t vectors = unit.width / kVectorSize<T>;
    for_row_tiles(count, vectors, [&](int64_t at, int64_t height) {
      const int64_t k = from + at;
      const T* left[kRowTileRows];
      for (int64_t r = 0; r < height; ++r) left[r] = x + at_[k + r];
      T* sums = unit.sums + k * unit.width;
      if (first)
        row_tile<T, SumsFrom::kZero, false>(height, vectors, left, pixels, grad, grad_row, sums,
                                            unit.width);
      else
        row_tile<T, SumsFrom::kResult, false>(height, vectors, left, pixels, grad, grad_row, sums,
                                              unit.width);
    });
  }

  // sums[c] += Σ x[pixel, c] · grad[pixel, c].
  static void add_channels(const T* x, const Segments& pixels, const T* grad, int64_t grad_row,
                           int64_t width, T* sums, bool first) {
    for (int64_t c = 0; c < width; c += kVectorSize<T>) {
      Vector<T> sum{};
      if (!first) load<T>(sums + c, sum);
      const T* right = grad + c;
      for (int64_t s = 0; s < pixels.count; ++s) {
        const T* left = x + pixels.at[s] + c;
        for (int64_t p = 0; p < pixels.depth; ++p, left += pixels.step, right += grad_row) {
          Vector<T> factor;
          load<T>(right, factor);
          add_product<T>(factor, left, sum);
        }
      }
      store<T>(sum, sums + c);
    }
  }

  const Conv2dBackwardKernel op_;
  const Conv2dSizes s_;
  Stream& stream_;
  const bool by_channel_;
  int64_t groups_, channels_, kernels_;  // of a group
  int64_t pixel_, wide_;  // elements of a pixel, and pixels of a row, as they are walked over
  int64_t reach_;         // rows under a kernel
  int64_t band_, bands_;  // rows of a band; bands of an image
  int64_t images_;        // of a sample
  KernelSums<T> sums_;
  const int64_t *at_, *row_at_;  // of a kernel's elements, of the rows of a band
};

}  // namespace

void conv2d_backward_kernel(const Conv2dBackwardKernel& op, Stream& stream) {
  if (op.grad.dtype == Dtype::kF64) return BackwardKernel<double>(op, stream).run();
  const BackwardKernel<float> direct(op, stream);
  if (!winograd_pays(op.sizes())) return direct.run();
  const WinogradKernel winograd(op, stream);
  direct.run(&winograd);
}
ORTHOKIT_KERNEL(Conv2dBackwardKernel, conv2d_backward_kernel);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
