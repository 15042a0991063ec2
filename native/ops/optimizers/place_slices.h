#pragma once
#include "ops/optimizers/shared/slices.h"

namespace orthokit {

struct PlaceSlices {
  static constexpr const char *name = "place_slices",
                              *summary = "rows or columns at their places, others 0";
  static constexpr const char* about = R"(
  The slices of each matrix of the batch `out`, rows or columns, are those of x at `places`, as
  take_slices gives them; where a place is none of x's, zeros.
  Numerics: bits are copied.
  Traffic: one read of x and places, one write of out.
  )";
  static constexpr const char* examples[] = {
      "x=f32[3x9x31] places=i32[3x33] out=f32[3x33x31]",
      "x=f64[2x31x12] places=i32[2x43] out=f64[2x31x43] axis=columns",
      "x=f32[1x7x64] places=i32[1x597] out=f32[1x597x64]"};
  static constexpr const char* cases[] = {
      "x=f32[1x256x4096] places=i32[1x1024] out=f32[1x1024x4096]"};
  View x, places, out;
  SliceAxis axis = SliceAxis::kRows;

  Slices slices() const { return slices_of(out, x, axis); }
  void fields(Fields& f) {
    f.in("x", x), f.in("places", places), f.out("out", out), f.value("axis", axis);
  }
  void check(auto require) const {
    check_slices(require, out, x, axis, "out must be a batch of matrices", "out must be f32 or f64",
                 "x must have the dtype of out and, but for fewer slices, its shape");
    const Slices s = slices();
    require(places.rank == 2 && places.shape[0] == s.batch && places.shape[1] == s.count(),
            ErrorCode::kShape, "places must have one element a slice of out", places, "out", out);
    require(places.dtype == Dtype::kI32, ErrorCode::kDtype, "places must be i32", places);
  }
};

}  // namespace orthokit
