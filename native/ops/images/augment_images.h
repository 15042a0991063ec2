#pragma once
#include "ops/images/shared/augmentation.h"

namespace orthokit {

struct AugmentImages {
  static constexpr const char *name = "augment_images",
                              *summary = "a crop of images, resized, flipped and rolled";
  static constexpr const char* about = R"(
  Of the images x [N, H, W, C] the crop (top, left, height, width), or all without one, resized to the
  rows and columns of out [N, rows, columns, C]; by the word `flip` turned around from left to right;
  then rolled down and to the right, where what leaves comes in on the other side.
  Resizing is bilinear with half-pixel centers and without antialiasing, as interpolate(mode='bilinear',
  align_corners=False) of PyTorch: out = Σ of 2 × 2 pixels by their shares of the distance. A crop of the
  size of out keeps its bits.
  Numerics: shares in f64, rounded once to the dtype of the arithmetic, f32, or f64 where x is; three
  sums each. NaN goes where it is read.
  Traffic: one read of the crop, one write.
  )";
  static constexpr const char* examples[] = {
      "x=f32[3x9x7x5] out=f32[3x9x7x5] crop=1,2,5,4 flip=horizontal rollDown=3 rollRight=2",
      "x=f64[2x5x6x3] out=f64[2x11x13x3] crop=0,1,5,5",
      "x=f64[2x9x9x1] out=f64[2x4x3x1] rollRight=1",
      "x=f16[2x5x5x3] out=f16[2x5x5x3] crop=1,1,3,3 rollDown=1",
      "x=bf16[2x5x5x4] out=bf16[2x5x5x4] crop=1,0,4,5 flip=horizontal"};
  static constexpr const char* cases[] = {
      "x=f32[64x224x224x3] out=f32[64x224x224x3] crop=31,17,130,150 flip=horizontal rollDown=12 "
      "rollRight=30"};
  View x, out;
  List<double> crop;
  Flip flip = Flip::kNone;
  int64_t roll_down = 0, roll_right = 0;

  AugmentedAxis rows() const { return rows_of_crop(crop, x.shape[1], out.shape[1], roll_down); }
  AugmentedAxis columns() const {
    return columns_of_crop(crop, x.shape[2], out.shape[2], roll_right, flip);
  }
  void fields(Fields& f) {
    f.in("x", x), f.out("out", out), f.value("crop", crop), f.value("flip", flip);
    f.value("rollDown", roll_down), f.value("rollRight", roll_right);
  }
  double flops() const { return 8 * double(out.size()); }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(x.rank == 4 && x.shape[1] > 0 && x.shape[2] > 0, ErrorCode::kShape,
            "x must be images [N, H, W, C] with pixels", x);
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(out.rank == 4 && out.shape[0] == x.shape[0] && out.shape[3] == x.shape[3] &&
                out.shape[1] > 0 && out.shape[2] > 0,
            ErrorCode::kShape, "out must be as many images of x's channels, with pixels", out, "x",
            x);
    check_augmentation(require, crop, x, out, double(roll_down), double(roll_right));
  }
};

}  // namespace orthokit
