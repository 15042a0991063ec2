// How the kernels of a convolution move over images, and the sizes that follow.
#pragma once
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/op.h"

namespace orthokit {

// So that places on images fit into 32 bits.
inline constexpr double kMostConvolutionNumber = 1 << 20;
inline constexpr int64_t kMostImageSide = int64_t(1) << 30;

// Stride, padding and dilation are one number, or one for the height and one for the width.
struct Conv2dMoves {
  List<double> stride, padding, dilation;
  int64_t groups = 1;

  void fields(Fields& f) {
    f.value("stride", stride), f.value("padding", padding);
    f.value("dilation", dilation), f.value("groups", groups);
  }
  void check(auto require) const {
    for (int axis = 0; axis < std::max<int>(1, int(stride.count)); ++axis)
      require(is_move(stride, axis, 1), ErrorCode::kArgument,
              "stride must be one or two whole numbers from 1 to 2^20", got(stride, axis));
    for (int axis = 0; axis < std::max<int>(1, int(padding.count)); ++axis)
      require(is_move(padding, axis, 0), ErrorCode::kArgument,
              "padding must be one or two whole numbers from 0 to 2^20", got(padding, axis));
    for (int axis = 0; axis < std::max<int>(1, int(dilation.count)); ++axis)
      require(is_move(dilation, axis, 1), ErrorCode::kArgument,
              "dilation must be one or two whole numbers from 1 to 2^20", got(dilation, axis));
    require(groups >= 1, ErrorCode::kArgument, "groups must be positive", double(groups));
  }
  static double along(const List<double>& numbers, int axis, double otherwise) {
    return numbers.count == 0 ? otherwise : numbers[numbers.count == 1 ? 0 : axis];
  }

 private:
  static bool is_move(const List<double>& numbers, int axis, double least) {
    const double x = numbers.count == 0 ? least : numbers[axis];
    return numbers.count <= 2 && x >= least && x <= kMostConvolutionNumber && x == std::floor(x);
  }
  // The number that is refused, or how many there are.
  static double got(const List<double>& numbers, int axis) {
    return numbers.count > 2 || numbers.count == 0 ? double(numbers.count) : numbers[axis];
  }
};

// Of images [images, height, width, channels], kernels [kernels, kernel_height, kernel_width,
// channels / groups] and results [images, out_height, out_width, kernels]. Pairs: height and width.
struct Conv2dSizes {
  int64_t images, height, width, channels, kernels, kernel_height, kernel_width, groups;
  int64_t stride[2], padding[2], dilation[2];
  int64_t out_height, out_width;

  // `kernel` may hold one more axis in front.
  Conv2dSizes(const Conv2dMoves& moves, const View& image, const View& kernel, const View& out)
      : images(image.shape[0]),
        height(image.shape[1]),
        width(image.shape[2]),
        channels(image.shape[3]),
        kernels(kernel.shape[kernel.rank - 4]),
        kernel_height(kernel.shape[kernel.rank - 3]),
        kernel_width(kernel.shape[kernel.rank - 2]),
        groups(moves.groups),
        out_height(out.shape[1]),
        out_width(out.shape[2]) {
    for (int axis = 0; axis < 2; ++axis) {
      stride[axis] = int64_t(Conv2dMoves::along(moves.stride, axis, 1));
      padding[axis] = int64_t(Conv2dMoves::along(moves.padding, axis, 0));
      dilation[axis] = int64_t(Conv2dMoves::along(moves.dilation, axis, 1));
    }
  }
  int64_t group_channels() const { return channels / groups; }
  int64_t group_kernels() const { return kernels / groups; }
  int64_t depth() const { return kernel_height * kernel_width * group_channels(); }
  bool is_padded() const { return padding[0] > 0 || padding[1] > 0; }
  // Places [first, last) of a kernel at which its tap of an axis lies on the image.
  std::pair<int64_t, int64_t> places_inside(int axis, int64_t tap) const {
    const int64_t size = axis == 0 ? height : width, places = axis == 0 ? out_height : out_width,
                  before = padding[axis] - tap * dilation[axis], beyond = size + before;
    const auto from = [&](int64_t pixel) {
      return std::clamp<int64_t>((pixel + stride[axis] - 1) / stride[axis], 0, places);
    };
    const int64_t first = from(std::max<int64_t>(before, 0));
    return {first, std::max(first, from(std::max<int64_t>(beyond, 0)))};
  }
  double flops() const {
    return 2.0 * double(images * out_height * out_width * kernels) * double(depth());
  }
};

// One kernel for each channel.
inline bool is_by_channel(const Conv2dSizes& s) {
  return s.groups > 1 && s.groups == s.channels && s.groups == s.kernels;
}

// Places of a kernel along an axis: 0 or less where it does not fit.
inline double places_along(const Conv2dMoves& moves, const View& image, const View& kernel,
                           int axis) {
  const double reach = Conv2dMoves::along(moves.dilation, axis, 1) *
                           double(kernel.shape[kernel.rank - 3 + axis] - 1) +
                       1,
               room = double(image.shape[1 + axis]) +
                      2 * Conv2dMoves::along(moves.padding, axis, 0) - reach;
  return room < 0 ? 0 : std::floor(room / Conv2dMoves::along(moves.stride, axis, 1)) + 1;
}
inline bool kernel_fits(const Conv2dMoves& moves, const View& image, const View& kernel) {
  return places_along(moves, image, kernel, 0) >= 1 && places_along(moves, image, kernel, 1) >= 1;
}
inline bool is_result_of(const Conv2dMoves& moves, const View& image, const View& kernel,
                         const View& out) {
  return out.rank == 4 && out.shape[0] == image.shape[0] &&
         double(out.shape[1]) == places_along(moves, image, kernel, 0) &&
         double(out.shape[2]) == places_along(moves, image, kernel, 1) &&
         out.shape[3] == kernel.shape[kernel.rank - 4];
}
inline bool is_image(const View& v) {
  const auto fits = [&](int axis) { return v.shape[axis] > 0 && v.shape[axis] <= kMostImageSide; };
  return v.rank == 4 && fits(1) && fits(2) && fits(3);
}

}  // namespace orthokit
