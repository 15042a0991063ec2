#pragma once
#include "core/op.h"

namespace orthokit {

struct Rearrange {
  static constexpr const char *name = "rearrange", *summary = "out = x with its axes in any order";
  static constexpr const char* about = R"(
  out[i_axes₀, i_axes₁, …] = x[i₀, i₁, …], as a copy, of any dtype: axis k of out is axis axesₖ of x.
  `shape` gives x other axes first, up to eight of the same elements in their order, such as
  [batch, length, 3, heads, width] for [batch, length, 3 · heads · width]; if it is not given they
  are x's own. out may have any shape of as many elements.
  Numerics: bits are copied. Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "x=f32[7x5x31] out=f32[31x7x5] axes=2,0,1",
      "x=f64[3x33x24] out=f64[3x2x33x12] shape=3,33,2,3,4 axes=0,2,1,3,4",
      "x=bf16[2x33x96] out=bf16[3x2x4x33x8] shape=2,33,3,4,8 axes=2,0,3,1,4",
      "x=u8[5x33x31] out=u8[5x31x33] axes=0,2,1",
      "x=i32[2x3x5x7] out=i32[210] shape=2,3,5,7 axes=3,2,1,0",
      "x=f32[4x9x0] out=f32[0x4x9] axes=2,0,1"};
  static constexpr const char* cases[] = {
      "x=f32[8x1024x1024] out=f32[8x16x1024x64] shape=8,1024,16,64 axes=0,2,1,3",
      "x=f32[64x128x1024] out=f32[64x1024x128] axes=0,2,1",
      "x=f32[1024x8192] out=f32[8192x1024] axes=1,0"};
  static constexpr int kMostAxes = 8;
  View x, out;
  List<double> shape, axes;

  void fields(Fields& f) {
    f.in("x", x), f.out("out", out), f.value("shape", shape), f.value("axes", axes);
  }
  int64_t rank() const { return shape.count > 0 ? shape.count : x.rank; }
  int64_t size(int64_t axis) const {
    return shape.count > 0 ? int64_t(shape[axis]) : x.shape[axis];
  }
  void check(auto require) const {
    require(out.dtype == x.dtype, ErrorCode::kDtype, "out must have x's dtype", out);
    require(rank() >= 1 && rank() <= kMostAxes, ErrorCode::kArgument,
            "shape must have one to eight axes", double(rank()));
    double elements = 1;
    for (double n : shape) {
      require(n >= 0 && n <= 0x1p53 && double(int64_t(n)) == n, ErrorCode::kArgument,
              "shape must hold whole numbers that are not negative", n);
      elements *= n;
    }
    require(shape.count == 0 || elements == double(x.size()), ErrorCode::kShape,
            "shape must hold as many elements as x", elements);
    require(axes.count == rank(), ErrorCode::kArgument, "axes must name each axis once",
            double(axes.count));
    bool seen[kMostAxes] = {};
    for (double axis : axes) {
      const bool good = axis >= 0 && axis < double(rank()) && double(int64_t(axis)) == axis &&
                        !seen[int64_t(axis)];
      require(good, ErrorCode::kArgument, "axes must name each axis once", axis);
      seen[int64_t(axis)] = true;
    }
    require(out.size() == x.size(), ErrorCode::kShape, "out must have as many elements as x", out,
            "x", x);
  }
};

// The same copy with as few axes as it needs: those of out from first to last, by their sizes and
// by how far apart their places lie in x and in out.
struct RearrangePlan {
  int rank = 0;
  int64_t size[Rearrange::kMostAxes], in_x[Rearrange::kMostAxes], in_out[Rearrange::kMostAxes];

  explicit RearrangePlan(const Rearrange& op) {
    int64_t strides[Rearrange::kMostAxes], stride = 1;
    for (int64_t i = op.rank() - 1; i >= 0; --i) strides[i] = stride, stride *= op.size(i);
    for (double at : op.axes) {
      const auto axis = int64_t(at);
      const int64_t n = op.size(axis);
      if (n == 1) continue;
      // Neighbours in both are one axis.
      if (rank > 0 && in_x[rank - 1] == strides[axis] * n)
        size[rank - 1] *= n, in_x[rank - 1] = strides[axis];
      else
        size[rank] = n, in_x[rank++] = strides[axis];
    }
    if (rank == 0) size[0] = 1, in_x[0] = 1, rank = 1;
    stride = 1;
    for (int k = rank - 1; k >= 0; --k) in_out[k] = stride, stride *= size[k];
  }
  // The axis whose places are neighbours in x.
  int inner() const {
    int k = rank - 1;
    while (k > 0 && in_x[k] != 1) --k;
    return k;
  }
  // The plan of the other axes, when `axis` is done apart.
  RearrangePlan without(int axis) const {
    RearrangePlan rest = *this;
    rest.rank = 0;
    for (int k = 0; k < rank; ++k) {
      if (k == axis) continue;
      rest.size[rest.rank] = size[k], rest.in_x[rest.rank] = in_x[k];
      rest.in_out[rest.rank++] = in_out[k];
    }
    return rest;
  }
  int64_t count() const {
    int64_t n = 1;
    for (int k = 0; k < rank; ++k) n *= size[k];
    return n;
  }
};

}  // namespace orthokit
