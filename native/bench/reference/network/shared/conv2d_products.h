// All products of a convolution, and the size of the terms that its sums are made of.
#pragma once
#include "bench/reference/reference.h"
#include "bench/reference/shared/inner_product.h"
#include "ops/network/shared/conv2d.h"

namespace orthokit::bench {

// f(element of the image, of the kernel, of the result) for each product.
template <class F>
void for_conv2d_products(const Conv2dSizes& s, F&& f) {
  const int64_t channels = s.group_channels();
  int64_t out = 0;
  for (int64_t n = 0; n < s.images; ++n)
    for (int64_t i = 0; i < s.out_height; ++i)
      for (int64_t j = 0; j < s.out_width; ++j)
        for (int64_t o = 0; o < s.kernels; ++o, ++out)
          for (int64_t u = 0; u < s.kernel_height; ++u)
            for (int64_t v = 0; v < s.kernel_width; ++v) {
              const int64_t row = i * s.stride[0] + u * s.dilation[0] - s.padding[0],
                            column = j * s.stride[1] + v * s.dilation[1] - s.padding[1];
              if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
              const int64_t x = ((n * s.height + row) * s.width + column) * s.channels +
                                o / s.group_kernels() * channels,
                            kernel = ((o * s.kernel_height + u) * s.kernel_width + v) * channels;
              for (int64_t c = 0; c < channels; ++c) f(x + c, kernel + c, out);
            }
}

// Winograd's sums hold a term of each pixel under the kernel with each element of the kernel's
// channel, which cancel but for their rounding.
inline bool mixes_terms(const Conv2dSizes& s) {
  return s.kernel_height == 3 && s.kernel_width == 3 && s.groups == 1 && s.stride[0] == 1 &&
         s.stride[1] == 1 && s.dilation[0] == 1 && s.dilation[1] == 1;
}

// Terms of sums as InnerProduct::terms has them.
class Conv2dTerms {
 public:
  explicit Conv2dTerms(int64_t size) : sums_(size_t(size), 0.0), squares_(size_t(size), 0.0) {}
  void add(int64_t element, double term, double square) {
    if (std::isfinite(term)) sums_[size_t(element)] += term;
    if (std::isfinite(square)) squares_[size_t(element)] += square;
  }
  void add(int64_t element, double term) { add(element, term, term * term); }
  std::vector<double> sizes() const {
    std::vector<double> all;
    for (size_t j = 0; j < sums_.size(); ++j)
      all.push_back(std::sqrt(2 * sums_[j] * sums_[j] + squares_[j]));
    return all;
  }

 private:
  std::vector<double> sums_, squares_;
};

// Sums of squares over the nine elements of each kernel's channel, one for each of the kernel's
// elements.
inline std::vector<double> squares_of_channels(const View& kernel) {
  const int64_t channels = kernel.shape[3], plane = 9 * channels;
  std::vector<double> all(size_t(kernel.size()), 0.0);
  for (int64_t k = 0; k < kernel.size(); ++k)
    for (int64_t other = k / plane * plane + k % channels; other < (k / plane + 1) * plane;
         other += channels)
      all[size_t(k)] += values(kernel)[other] * values(kernel)[other];
  return all;
}

}  // namespace orthokit::bench
