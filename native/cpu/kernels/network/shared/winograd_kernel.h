// The gradient of 3 × 3 kernels at stride 1 by F(3 × 3, 2 × 2): Gᵀ U G with U[e] = V[e]ᵀ · (A m
// Aᵀ)[e] summed over the patches, V of the images and m of the gradient. Groups of patches in
// order, images in fixed slots, slots in order.
#pragma once
#include "cpu/kernels/network/shared/kernel_sums.h"
#include "cpu/kernels/network/shared/winograd.h"
#include "ops/network/conv2d_backward_kernel.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// A m Aᵀ of the rows × columns pixels that are there; element e at out + e · stride.
inline void spread_pixels(const float* d, int64_t row, int64_t pixel, int64_t rows, int64_t columns,
                          float* out, int64_t stride) {
  Vector<float> t[4][2];
#pragma GCC unroll 2
  for (int j = 0; j < 2; ++j) {
    Vector<float> a{}, b{};
    if (j < columns) load<float>(d + j * pixel, a);
    if (j < columns && rows > 1) load<float>(d + row + j * pixel, b);
    t[0][j] = a, t[1][j] = a + b, t[2][j] = a - b, t[3][j] = -b;
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vector<float> u[4] = {t[i][0], t[i][0] + t[i][1], t[i][0] - t[i][1], -t[i][1]};
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) store<float>(u[j], out + (4 * i + j) * stride);
  }
}

class WinogradKernel {
 public:
  WinogradKernel(const Conv2dBackwardKernel& op, Stream& stream)
      : op_(op), s_(op.sizes()), stream_(stream) {
    images_ = s_.images / op.samples();
    in_ = whole_vectors<float>(s_.channels), out_ = whole_vectors<float>(s_.kernels);
    down_ = (s_.out_height + 1) / 2, across_ = (s_.out_width + 1) / 2, wide_ = 2 * across_ + 2;
    band_ = band_rows(down_, 2, 4, wide_ * in_ * int64_t(sizeof(float)));
    size_ = 16 * in_ * out_;
    const int64_t total = images_ * down_ * across_;
    slots_ = std::clamp<int64_t>(
        std::min({total / kMost, images_, kMostBytes / (size_ * int64_t(sizeof(float)))}), 1, 8);
    each_ = (images_ + slots_ - 1) / slots_;
    sums_ = stream.scratch<float>(slots_ * size_);
    result_ = KernelSums<float>(op.grad_kernel, 1, 1, stream);
    is_finite_ = stream.scratch<bool>(slots_);
  }

  // False, and nothing is stored, of a sample whose sums may leave the range of f32.
  bool run(int64_t sample) const {
    const int64_t image = (2 * band_ + 2) * wide_ * in_, grad = 2 * band_ * s_.out_width * out_;
    const SlotsOf<float> slots(stream_, image + grad + 16 * kMost * (in_ + out_));
    stream_.parallel(slots_, [&](int64_t slot) {
      slots.borrow([&](float* buffer) {
        float* patches = buffer + image + grad;
        is_finite_[slot] =
            run_slot(sample, slot, buffer, buffer + image, patches, patches + 16 * kMost * in_);
      });
    });
    for (int64_t slot = 0; slot < slots_; ++slot)
      if (!is_finite_[slot]) return false;
    transform_sums();
    result_.store(op_.grad_kernel, sample, float(op_.beta), stream_);
    return true;
  }

 private:
  // Patches of a group, which is one running sum.
  static constexpr int64_t kMost = 100, kMostBytes = 8 << 20;

  bool run_slot(int64_t sample, int64_t slot, float* image_buffer, float* grad_buffer, float* v,
                float* m) const {
    float* sums = sums_ + slot * size_;
    const int64_t first = slot * each_, last = std::min(images_, first + each_);
    const int64_t total = std::max<int64_t>(0, last - first) * down_ * across_,
                  groups = (total + kMost - 1) / kMost,
                  group = groups == 0 ? 1 : (total + groups - 1) / groups;
    int64_t count = 0;
    bool is_first = true;
    LargestSize of_images, of_grad;
    const auto flush = [&] {
      is_first ? multiply<SumsFrom::kZero>(count, v, m, sums)
               : multiply<SumsFrom::kResult>(count, v, m, sums);
      is_first = false, count = 0;
    };
    for (int64_t n = sample * images_ + first; n < sample * images_ + last; ++n)
      for (int64_t from = 0; from < down_; from += band_) {
        const int64_t rows = std::min(band_, down_ - from);
        const ImageRows under{op_.x,
                              n,
                              2 * from - s_.padding[0],
                              2 * (from + rows) + 2 - s_.padding[0],
                              s_.padding[1],
                              wide_,
                              0,
                              s_.channels,
                              in_};
        const int64_t grad_rows = std::min(2 * rows, s_.out_height - 2 * from);
        const ImageRows above{op_.grad, n,          2 * from, 2 * from + grad_rows, 0, s_.out_width,
                              0,        s_.kernels, out_};
        const float *image = under.read(image_buffer), *grad = above.read(grad_buffer);
        of_images.add(image, under.size()), of_grad.add(grad, above.size());
        if (!sums_stay_finite(of_images.value(), of_grad.value(), total)) return false;
        for (int64_t p = 0; p < rows * across_; ++p) {
          const int64_t i = p / across_ * 2, j = p % across_ * 2;
          for (int64_t c = 0; c < in_; c += kVectorSize<float>)
            transform_patch(image + (i * wide_ + j) * in_ + c, wide_ * in_, in_,
                            v + count * in_ + c, kMost * in_);
          for (int64_t o = 0; o < out_; o += kVectorSize<float>)
            spread_pixels(grad + (i * s_.out_width + j) * out_ + o, s_.out_width * out_, out_,
                          grad_rows - i, s_.out_width - j, m + count * out_ + o, kMost * out_);
          if (++count == group) flush();
        }
      }
    if (count > 0 || is_first) flush();
    return true;
  }

  template <SumsFrom from>
  void multiply(int64_t count, const float* v, const float* m, float* sums) const {
    constexpr int64_t kColumns = kRowTileColumns<float>;
    for (int64_t e = 0; e < 16; ++e)
      for (int64_t o = 0; o < out_; o += kColumns) {
        const int64_t width = std::min(kColumns, out_ - o);
        for_row_tiles(in_, width / kVectorSize<float>, [&](int64_t c, int64_t rows) {
          const float* left[kRowTileRows];
          for (int64_t r = 0; r < rows; ++r) left[r] = v + e * kMost * in_ + c + r;
          row_tile<float, from, false>(rows, width / kVectorSize<float>, left,
                                       {kNoOffset, 1, count, in_}, m + e * kMost * out_ + o, out_,
                                       sums + (e * in_ + c) * out_ + o, out_);
        });
      }
  }

  // Gᵀ U G, U the sum of the slots.
  void transform_sums() const {
    stream_.parallel(s_.channels, [&](int64_t c) {
      for (int64_t o = 0; o < out_; o += kVectorSize<float>) {
        Vector<float> t[3][4];
        for (int j = 0; j < 4; ++j) {
          Vector<float> u[4];
          for (int i = 0; i < 4; ++i) {
            const float* from = sums_ + ((4 * i + j) * in_ + c) * out_ + o;
            load<float>(from, u[i]);
            for (int64_t slot = 1; slot < slots_; ++slot) {
              Vector<float> more;
              load<float>(from + slot * size_, more);
              u[i] += more;
            }
          }
          const Vector<float> plus = (u[1] + u[2]) * 0.5f;
          t[0][j] = u[0] + plus, t[1][j] = (u[1] - u[2]) * 0.5f, t[2][j] = plus + u[3];
        }
        const auto unit = result_.unit(o / kRowTileColumns<float>);
        float* to = unit.sums + c * unit.width + o - unit.first;
        for (int i = 0; i < 3; ++i) {
          const Vector<float> plus = (t[i][1] + t[i][2]) * 0.5f;
          const Vector<float> w[3] = {t[i][0] + plus, (t[i][1] - t[i][2]) * 0.5f, plus + t[i][3]};
          for (int j = 0; j < 3; ++j)
            store<float>(w[j], to + (3 * i + j) * s_.channels * unit.width);
        }
      }
    });
  }

  const Conv2dBackwardKernel& op_;
  const Conv2dSizes s_;
  Stream& stream_;
  int64_t images_;                // of a sample
  int64_t in_, out_;              // channels, kernels, in whole vectors
  int64_t down_, across_, wide_;  // patches of an image; its columns, with zeros
  int64_t band_;                  // rows of patches at once
  int64_t size_, slots_, each_;   // elements of a slot's sums; slots; images of one
  float* sums_;
  KernelSums<float> result_;
  bool* is_finite_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
