#pragma once
#include "ops/images/shared/augmentation.h"

namespace orthokit {

struct AugmentImagesBackward {
  static constexpr const char *name = "augment_images_backward",
                              *summary = "gradient of augment_images: its adjoint";
  static constexpr const char* about = R"(
  The adjoint of augment_images with the same crop, flip and rolls: each pixel of gradX [N, H, W, C] gets
  the sum of grad [N, rows, columns, C] by the shares that the pixel has in it; pixels outside of the
  crop get 0.
  Numerics: shares in f64, sums in f32, or f64 where grad is, in a fixed order.
  Traffic: one read of grad, one write.
  )";
  static constexpr const char* examples[] = {
      "grad=f32[3x9x7x5] gradX=f32[3x9x7x5] crop=1,2,5,4 flip=horizontal rollDown=3 rollRight=2",
      "grad=f64[2x11x13x3] gradX=f64[2x5x6x3] crop=0,1,5,5",
      "grad=f64[2x4x3x1] gradX=f64[2x9x9x1] rollRight=1",
      "grad=f16[2x5x5x3] gradX=f16[2x5x5x3] crop=1,1,3,3 rollDown=1",
      "grad=bf16[2x5x5x4] gradX=bf16[2x5x5x4] crop=1,0,4,5 flip=horizontal"};
  static constexpr const char* cases[] = {
      "grad=f32[64x224x224x3] gradX=f32[64x224x224x3] crop=31,17,130,150 flip=horizontal "
      "rollDown=12 rollRight=30"};
  View grad, grad_x;
  List<double> crop;
  Flip flip = Flip::kNone;
  int64_t roll_down = 0, roll_right = 0;

  AugmentedAxis rows() const {
    return rows_of_crop(crop, grad_x.shape[1], grad.shape[1], roll_down);
  }
  AugmentedAxis columns() const {
    return columns_of_crop(crop, grad_x.shape[2], grad.shape[2], roll_right, flip);
  }
  void fields(Fields& f) {
    f.in("grad", grad), f.out("gradX", grad_x), f.value("crop", crop), f.value("flip", flip);
    f.value("rollDown", roll_down), f.value("rollRight", roll_right);
  }
  double flops() const { return 8 * double(grad.size()); }
  void check(auto require) const {
    require(is_floating(grad), ErrorCode::kDtype, "grad must be floating", grad);
    require(grad.rank == 4 && grad.shape[1] > 0 && grad.shape[2] > 0, ErrorCode::kShape,
            "grad must be images [N, H, W, C] with pixels", grad);
    require(grad_x.dtype == grad.dtype, ErrorCode::kDtype, "gradX must have grad's dtype", grad_x);
    require(grad_x.rank == 4 && grad_x.shape[0] == grad.shape[0] &&
                grad_x.shape[3] == grad.shape[3] && grad_x.shape[1] > 0 && grad_x.shape[2] > 0,
            ErrorCode::kShape, "gradX must be as many images of grad's channels, with pixels",
            grad_x, "grad", grad);
    check_augmentation(require, crop, grad_x, grad, double(roll_down), double(roll_right));
  }
};

}  // namespace orthokit
