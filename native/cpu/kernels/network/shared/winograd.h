// Convolutions of 3 × 3 kernels at stride 1 by F(2 × 2, 3 × 3) (Lavin and Gray 2016): patches of
// 4 × 4 pixels, transformed, are multiplied by transformed kernels in 16 products, and each 4 × 4
// of sums gives 2 × 2 pixels, by 2.25 times fewer multiplications. A group of patches goes through
// all of it while it is in the second cache.
#pragma once
#include <atomic>
#include <limits>

#include "cpu/kernels/network/shared/conv2d_bands.h"
#include "cpu/kernels/network/shared/convolve.h"
#include "cpu/kernels/network/shared/image_rows.h"
#include "cpu/slots.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Fewer channels leave lanes idle.
inline bool winograd_pays(const Conv2dSizes& s) {
  return s.kernel_height == 3 && s.kernel_width == 3 && s.groups == 1 && s.stride[0] == 1 &&
         s.stride[1] == 1 && s.dilation[0] == 1 && s.dilation[1] == 1 && s.padding[0] <= 2 &&
         s.padding[1] <= 2 && std::min(s.channels, s.kernels) >= 16 &&
         s.out_height * s.out_width >= 16;
}

// The largest size of numbers, where NaN is beyond infinity: such numbers, and sums that leave the
// range of f32, take the direct way.
class LargestSize {
 public:
  void add(const Vector<float>& x) {
    const Integers size = Integers(x) & 0x7fffffff;
    largest_ = size > largest_ ? size : largest_;
  }
  // Whole vectors of them.
  void add(const float* x, int64_t count) {
    for (int64_t i = 0; i < count; i += kVectorSize<float>) {
      Vector<float> some;
      load<float>(x + i, some);
      add(some);
    }
  }
  float value() const {
    int32_t most = 0;
    for (int i = 0; i < kVectorSize<float>; ++i) most = std::max(most, largest_[i]);
    return std::bit_cast<float>(most);
  }

 private:
  using Integers = Vector<int32_t>;
  Integers largest_{};
};
// True of so many products of numbers up to x and y: transforms add sixteen, and sixteen sums.
inline bool sums_stay_finite(float x, float y, int64_t terms) {
  const double most = double(x) * double(y) * double(terms) * 256;
  return most < double(std::numeric_limits<float>::max());
}

// Bᵀ d B of a patch's vectors of channels; element e at out + e · stride.
inline void transform_patch(const float* d, int64_t row, int64_t pixel, float* out,
                            int64_t stride) {
  Vector<float> t[4][4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    Vector<float> x[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) load<float>(d + i * row + j * pixel, x[i]);
    t[0][j] = x[0] - x[2], t[1][j] = x[1] + x[2], t[2][j] = x[2] - x[1], t[3][j] = x[1] - x[3];
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vector<float> u[4] = {t[i][0] - t[i][2], t[i][1] + t[i][2], t[i][2] - t[i][1],
                                t[i][1] - t[i][3]};
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) store<float>(u[j], out + (4 * i + j) * stride);
  }
}

// Aᵀ m A: four pixels, at out + 0 … 3 vectors.
inline void pixels_of_sums(const float* m, int64_t stride, const Vector<float>& bias,
                           Vector<float> (&out)[2][2]) {
  Vector<float> t[2][4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    Vector<float> x[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) load<float>(m + (4 * i + j) * stride, x[i]);
    t[0][j] = x[0] + (x[1] + x[2]), t[1][j] = (x[1] - x[2]) - x[3];
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    out[i][0] = bias + (t[i][0] + (t[i][1] + t[i][2]));
    out[i][1] = bias + ((t[i][1] - t[i][2]) - t[i][3]);
  }
}

// G g Gᵀ of panels [9 · in][width] as [16][in][width], and the largest number there.
inline float transform_kernels(const float* panels, int64_t in, int64_t columns, float* out,
                               Stream& stream) {
  constexpr int64_t kColumns = kRowTileColumns<float>;
  const int64_t count = (columns + kColumns - 1) / kColumns;
  auto* found = stream.scratch<float>(count);
  stream.parallel(count, [&](int64_t p) {
    const int64_t width = whole_vectors<float>(std::min(kColumns, columns - p * kColumns));
    const float* from = panels + p * kColumns * 9 * in;
    float* to = out + p * kColumns * 16 * in;
    LargestSize largest;
    for (int64_t at = 0; at < in * width; at += kVectorSize<float>) {
      Vector<float> t[4][3];
      for (int j = 0; j < 3; ++j) {
        Vector<float> g[3];
        for (int i = 0; i < 3; ++i) load<float>(from + (3 * i + j) * in * width + at, g[i]);
        t[0][j] = g[0], t[3][j] = g[2];
        t[1][j] = (g[0] + g[1] + g[2]) * 0.5f, t[2][j] = (g[0] - g[1] + g[2]) * 0.5f;
      }
      for (int i = 0; i < 4; ++i) {
        const Vector<float> u[4] = {t[i][0], (t[i][0] + t[i][1] + t[i][2]) * 0.5f,
                                    (t[i][0] - t[i][1] + t[i][2]) * 0.5f, t[i][2]};
        for (int j = 0; j < 4; ++j) {
          largest.add(u[j]);
          store<float>(u[j], to + (4 * i + j) * in * width + at);
        }
      }
    }
    found[p] = largest.value();
  });
  float most = 0;  // as integers, so that NaN counts
  for (int64_t p = 0; p < count; ++p)
    most = std::bit_cast<float>(
        std::max(std::bit_cast<uint32_t>(most), std::bit_cast<uint32_t>(found[p])));
  return most;
}

// Results [images, height, width, out] of images with `top` and `left` zeros before their edges.
class Winograd {
 public:
  // `panels`: the kernels as `convolve` takes them, elements (row, column, in).
  Winograd(const View& images, int64_t top, int64_t left, const float* panels, const View& out,
           float beta, const float* bias, Stream& stream)
      : images_(images),
        out_(out),
        top_(top),
        left_(left),
        panels_(panels),
        beta_(beta),
        bias_(bias),
        stream_(stream) {
    in_ = images.shape[3], outs_ = out.shape[3], height_ = out.shape[1], width_ = out.shape[2];
    pixel_ = whole_vectors<float>(in_);
    down_ = (height_ + 1) / 2, across_ = (width_ + 1) / 2, wide_ = 2 * across_ + 2;
    band_ = band_rows(down_, 2, 4, wide_ * pixel_ * int64_t(sizeof(float)));
    weights_ = stream.scratch<float>(16 * in_ * whole_vectors<float>(outs_));
    largest_ = transform_kernels(panels, in_, outs_, weights_, stream);
    auto* at = stream.scratch<int64_t>(9);
    for (int64_t k = 0; k < 9; ++k) at[k] = (k / 3 * wide_ + k % 3) * pixel_;
    under_kernel_ = {at, 9, in_};
  }

  // True only of kernels without NaN and infinities.
  bool kernels_are_finite() const { return largest_ < std::numeric_limits<float>::infinity(); }

  void run() const {
    const int64_t bands = (down_ + band_ - 1) / band_, image = (2 * band_ + 2) * wide_ * pixel_;
    const int64_t patches = 16 * kGroup * pixel_, sums = 16 * kGroup * kColumns;
    const SlotsOf<float> slots(stream_, image + patches + sums);
    stream_.parallel(images_.shape[0] * bands, [&](int64_t part) {
      slots.borrow([&](float* buffer) {
        run_band(part / bands, part % bands * band_, buffer, buffer + image,
                 buffer + image + patches);
      });
    });
  }

 private:
  static constexpr int64_t kGroup = 48, kColumns = kRowTileColumns<float>;

  void run_band(int64_t n, int64_t from, float* buffer, float* patches, float* sums) const {
    const int64_t rows = std::min(band_, down_ - from), all = rows * across_;
    const ImageRows under{images_, n,   2 * from - top_, 2 * (from + rows) + 2 - top_, left_, wide_,
                          0,       in_, pixel_};
    const float* image = under.read(buffer);
    LargestSize largest;
    largest.add(image, under.size());
    if (!sums_stay_finite(largest.value(), largest_, in_)) {
      const Walk walk{std::min(2 * rows, height_ - 2 * from), width_, wide_ * pixel_, pixel_,
                      under_kernel_};
      return convolve(walk, image, panels_, sums_to(n, 2 * from, 0));
    }
    for (int64_t at = 0; at < all; at += kGroup) {
      const int64_t count = std::min(kGroup, all - at);
      for (int64_t p = 0; p < count; ++p) {
        const float* d = image + ((at + p) / across_ * 2 * wide_ + (at + p) % across_ * 2) * pixel_;
        for (int64_t c = 0; c < pixel_; c += kVectorSize<float>)
          transform_patch(d + c, wide_ * pixel_, pixel_, patches + p * pixel_ + c, kGroup * pixel_);
      }
      multiply(n, from, at, count, patches, sums);
    }
  }

  void multiply(int64_t n, int64_t from, int64_t at, int64_t count, const float* patches,
                float* sums) const {
    for (int64_t o = 0; o < outs_; o += kColumns) {
      const int64_t columns = std::min(kColumns, outs_ - o), width = whole_vectors<float>(columns);
      for (int64_t e = 0; e < 16; ++e) {
        const float* weights = weights_ + o * 16 * in_ + e * in_ * width;
        for_row_tiles(count, width / kVectorSize<float>, [&](int64_t p, int64_t rows) {
          const float* left[kRowTileRows];
          for (int64_t r = 0; r < rows; ++r) left[r] = patches + (e * kGroup + p + r) * pixel_;
          row_tile<float, SumsFrom::kZero, true>(rows, width / kVectorSize<float>, left,
                                                 {kNoOffset, 1, in_}, weights, width,
                                                 sums + (e * kGroup + p) * width, width);
        });
      }
      for (int64_t p = 0; p < count; ++p)
        store_patch(n, 2 * (from + (at + p) / across_), (at + p) % across_ * 2, o, columns, width,
                    sums + p * width);
    }
  }

  void store_patch(int64_t n, int64_t i, int64_t j, int64_t o, int64_t columns, int64_t width,
                   const float* sums) const {
    const SumsTo<float> to = sums_to(n, i, j);
    const int64_t rows = std::min<int64_t>(2, height_ - i),
                  across = std::min<int64_t>(2, width_ - j);
    const bool direct = to.is_direct();
    for (int64_t q = 0; q < columns; q += kVectorSize<float>) {
      Vector<float> bias{}, pixels[2][2];
      if (bias_) load<float>(bias_ + o + q, bias);
      pixels_of_sums(sums + q, kGroup * width, bias, pixels);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t s = 0; s < across; ++s) {
          const int64_t at = to.at + r * to.row + s * to.pixel + o + q;
          if (direct) {
            store<float>(pixels[r][s], out_.as<float>() + at);
          } else {
            alignas(64) float values[kVectorSize<float>];
            store<float>(pixels[r][s], values);
            to.store(values, at, std::min<int64_t>(kVectorSize<float>, columns - q));
          }
        }
    }
  }

  SumsTo<float> sums_to(int64_t n, int64_t i, int64_t j) const {
    return {out_, ((n * height_ + i) * width_ + j) * outs_, width_ * outs_, outs_, outs_, beta_,
            bias_};
  }

  const View images_, out_;
  const int64_t top_, left_;
  const float* panels_;
  const float beta_;
  const float* bias_;
  Stream& stream_;
  int64_t in_, outs_, height_, width_;
  int64_t pixel_, wide_;          // of an image as it is walked over
  int64_t down_, across_, band_;  // patches; rows of them at once
  float* weights_;
  float largest_;
  Segments under_kernel_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
