#pragma once
#include "ops/optimizers/shared/slices.h"

namespace orthokit {

struct TakeSlices {
  static constexpr const char *name = "take_slices",
                              *summary = "rows or columns of the largest scores, which decay";
  static constexpr const char* about = R"(
  Of each matrix of the batch x the k rows, or columns, with the largest scores go to `out`, in their
  order, where k is the number of those of out; in x they are multiplied by `decay`. places = where in
  out a slice is, −1 if it was left. Of equal scores the first slice is taken first; NaN counts as
  +inf.
  Numerics: one product in x's dtype.
  Traffic: one read of scores; one read of the slices taken, one write of them in x and in out.
  )";
  static constexpr const char* examples[] = {
      "x=f32[3x33x31] scores=f64[3x33] places=i32[3x33] out=f32[3x9x31] decay=0.95",
      "x=f64[2x31x43] scores=f64[2x43] places=i32[2x43] out=f64[2x31x5] axis=columns decay=0.5",
      "x=f32[1x597x64] scores=f64[1x597] places=i32[1x597] out=f32[1x597x64]"};
  static constexpr const char* cases[] = {
      "x=f32[1x1024x4096] scores=f64[1x1024] places=i32[1x1024] out=f32[1x256x4096] decay=0.95"};
  View x, scores, places, out;
  double decay = 1;
  SliceAxis axis = SliceAxis::kRows;

  Slices slices() const { return slices_of(x, out, axis); }
  double flops() const { return double(out.size()); }
  double bytes() const { return double(bytes_in(scores) + bytes_in(places) + 3 * bytes_in(out)); }
  void fields(Fields& f) {
    f.inout("x", x), f.in("scores", scores), f.out("places", places), f.out("out", out);
    f.value("decay", decay), f.value("axis", axis);
  }
  void check(auto require) const {
    check_slices(require, x, out, axis, "x must be a batch of matrices", "x must be f32 or f64",
                 "out must have the dtype of x and, but for fewer slices, its shape");
    const Slices s = slices();
    for (auto& v : {scores, places})
      require(v.rank == 2 && v.shape[0] == s.batch && v.shape[1] == s.count(), ErrorCode::kShape,
              "scores and places must have one element a slice of x", v, "x", x);
    require(scores.dtype == Dtype::kF64, ErrorCode::kDtype, "scores must be f64", scores);
    require(places.dtype == Dtype::kI32, ErrorCode::kDtype, "places must be i32", places);
    require(decay >= 0 && decay <= 1, ErrorCode::kArgument, "decay must be in [0, 1]", decay);
  }
};

}  // namespace orthokit
