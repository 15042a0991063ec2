#include "ops/network/conv2d.h"

#include "cpu/kernels/network/shared/conv2d_bands.h"
#include "cpu/kernels/network/shared/convolve_inside.h"
#include "cpu/kernels/network/shared/image_rows.h"
#include "cpu/kernels/network/shared/pack_kernels.h"
#include "cpu/kernels/network/shared/winograd.h"
#include "cpu/slots.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

template <class T>
class Forward {
 public:
  Forward(const Conv2d& op, Stream& stream) : op_(op), s_(op_.sizes()), stream_(stream) {
    if (is_pointwise(s_)) as_one_column(op_.x), as_one_column(op_.out), s_ = op_.sizes();
    by_channel_ = is_by_channel(s_);
    groups_ = by_channel_ ? 1 : s_.groups;
    channels_ = s_.channels / groups_, kernels_ = s_.kernels / groups_;
    pixel_ = by_channel_ ? whole_vectors<T>(channels_) : channels_;
    wide_ = s_.width + 2 * s_.padding[1];
    reach_ = s_.dilation[0] * (s_.kernel_height - 1) + 1;
    inner_ = segments();
    band_ = band_rows(s_.out_height, s_.stride[0], reach_, wide_ * pixel_ * int64_t(sizeof(T)));
    packed_ = packed_size<T>(s_.depth(), kernels_);
    weights_ = stream.scratch<T>(groups_ * packed_);
    pack_kernels(op_.kernel, groups_, stream, weights_);
    if (op_.bias) pack_bias();
  }

  void run() {
    if constexpr (std::is_same_v<T, float>)
      if (winograd_pays(s_)) {
        const Winograd winograd(op_.x, s_.padding[0], s_.padding[1], weights_, op_.out, 0, bias_,
                                stream_);
        if (winograd.kernels_are_finite()) return winograd.run();
      }
    only_inside_ = s_.is_padded() && !are_finite(weights_, groups_ * packed_, stream_);
    const int64_t bands = (s_.out_height + band_ - 1) / band_, parts = bands * groups_;
    const SlotsOf<T> slots(stream_, rows_under(band_) * wide_ * pixel_);
    stream_.parallel(s_.images * parts, [&](int64_t part) {
      const int64_t image = part / parts, band = part % parts / groups_, g = part % groups_;
      slots.borrow([&](T* buffer) { run_band(image, band * band_, g, buffer); });
    });
  }

 private:
  // Kernel elements that lie beside each other in a row of the image, or each for itself.
  Segments segments() const {
    const int64_t run = s_.dilation[1] == 1 && !by_channel_ ? s_.kernel_width : 1,
                  count = s_.kernel_height * (s_.kernel_width / run);
    auto* at = stream_.scratch<int64_t>(count);
    for (int64_t i = 0, k = 0; i < s_.kernel_height; ++i)
      for (int64_t j = 0; j < s_.kernel_width; j += run)
        at[k++] = (i * s_.dilation[0] * wide_ + j * s_.dilation[1]) * pixel_;
    return {at, count, by_channel_ ? 1 : run * channels_};
  }

  void pack_bias() {
    const int64_t width = whole_vectors<T>(kernels_);
    T* bias = stream_.scratch<T>(groups_ * width);
    for (int64_t g = 0; g < groups_; ++g) {
      std::fill_n(bias + g * width, width, T(0));
      visit_storage(op_.bias.dtype, [&]<class S>() {
        for (int64_t o = 0; o < kernels_; ++o)
          bias[g * width + o] = convert<T>(op_.bias.as<S>()[g * kernels_ + o]);
      });
    }
    bias_ = bias;
  }

  int64_t rows_under(int64_t out_rows) const { return (out_rows - 1) * s_.stride[0] + reach_; }

  void run_band(int64_t image, int64_t from, int64_t g, T* buffer) const {
    const int64_t rows = std::min(band_, s_.out_height - from),
                  first = from * s_.stride[0] - s_.padding[0];
    const ImageRows under{op_.x,         image, first,         first + rows_under(rows),
                          s_.padding[1], wide_, g * channels_, channels_,
                          pixel_};
    const Walk walk{rows, s_.out_width, s_.stride[0] * wide_ * pixel_, s_.stride[1] * pixel_,
                    inner_};
    const SumsTo<T> to{op_.out,
                       (image * s_.out_height + from) * s_.out_width * s_.kernels + g * kernels_,
                       s_.out_width * s_.kernels,
                       s_.kernels,
                       kernels_,
                       0,
                       bias_ ? bias_ + g * whole_vectors<T>(kernels_) : nullptr};
    const T* image_rows = under.read(buffer);
    if (only_inside_)
      run_inside(image_rows, from, rows, weights_ + g * packed_, to);
    else
      convolve(walk, image_rows, weights_ + g * packed_, to, by_channel_);
  }

  void run_inside(const T* image, int64_t from, int64_t rows, const T* weights,
                  const SumsTo<T>& to) const {
    const auto for_taps = [&](int64_t i, int64_t j, auto&& f) {
      for (int64_t u = 0; u < s_.kernel_height; ++u)
        for (int64_t v = 0; v < s_.kernel_width; ++v) {
          const int64_t down = u * s_.dilation[0], across = j * s_.stride[1] + v * s_.dilation[1],
                        h = (from + i) * s_.stride[0] + down - s_.padding[0],
                        w = across - s_.padding[1];
          if (h >= 0 && h < s_.height && w >= 0 && w < s_.width)
            f(u * s_.kernel_width + v,
              image + ((i * s_.stride[0] + down) * wide_ + across) * pixel_);
        }
    };
    convolve_inside(rows, s_.out_width, s_.kernel_height * s_.kernel_width, channels_, by_channel_,
                    weights, to, for_taps);
  }

  Conv2d op_;
  Conv2dSizes s_;
  Stream& stream_;
  bool by_channel_;
  int64_t groups_, channels_, kernels_;  // of a group
  int64_t pixel_, wide_;  // elements of a pixel, and pixels of a row, as they are walked over
  int64_t reach_;         // rows under a kernel
  Segments inner_;
  int64_t band_, packed_;  // rows of out at once; packed elements of a group's kernels
  T* weights_;
  const T* bias_ = nullptr;
  bool only_inside_ =
      false;  // without the products of zeros beyond the edges, as these would be NaN
};

}  // namespace

void conv2d(const Conv2d& op, Stream& stream) {
  if (op.out.size() == 0) return;
  if (op.x.dtype == Dtype::kF64)
    Forward<double>(op, stream).run();
  else
    Forward<float>(op, stream).run();
}
ORTHOKIT_KERNEL(Conv2d, conv2d);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
