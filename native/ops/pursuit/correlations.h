#pragma once
#include "ops/products/gemm.h"

namespace orthokit {

struct Correlations {
  static constexpr const char *name = "correlations", *summary = "out = x atoms'";
  static constexpr const char* about = R"(
  out = x atomsᵀ: the correlation of each signal, a row of x, with each atom, a row of atoms.
  Numerics: products and sums in the dtype, in an order that follows from the length of an atom
  alone: a row of out has the same bits whichever other rows x has, and however many. (gemm chooses
  its way by all sizes.)
  Traffic: one read of x and atoms, one write of out.
  )";
  static constexpr const char* examples[] = {"x=f32[31x65] atoms=f32[33x65] out=f32[31x33]",
                                             "x=f32[65x400] atoms=f32[103x400] out=f32[65x103]",
                                             "x=f64[33x129] atoms=f64[65x129] out=f64[33x65]",
                                             "x=f32[1x1] atoms=f32[1x1] out=f32[1x1]",
                                             "x=f32[0x5] atoms=f32[3x5] out=f32[0x3]",
                                             "x=f64[2x0] atoms=f64[3x0] out=f64[2x3]"};
  static constexpr const char* cases[] = {"x=f32[256x1024] atoms=f32[8000x1024] out=f32[256x8000]",
                                          "x=f64[256x256] atoms=f64[2000x256] out=f64[256x2000]"};
  View x, atoms, out;

  double flops() const { return 2.0 * double(out.size()) * double(x.shape[1]); }
  void fields(Fields& f) { f.in("x", x), f.in("atoms", atoms), f.out("out", out); }
  void check(auto require) const {
    for (auto& v : {x, atoms, out}) {
      require(is_f32_or_f64(v) && v.dtype == out.dtype, ErrorCode::kDtype,
              "x, atoms and out must be all f32 or all f64", v);
      require(v.rank == 2, ErrorCode::kShape, "x, atoms and out must be matrices", v);
      require(v.shape[0] <= kMaxSide && v.shape[1] <= kMaxSide, ErrorCode::kShape,
              "x, atoms and out must have sides below 2^31", v);
    }
    require(atoms.shape[1] == x.shape[1], ErrorCode::kShape, "atoms must be as long as rows of x",
            atoms, "x", x);
    require(out.shape[0] == x.shape[0] && out.shape[1] == atoms.shape[0], ErrorCode::kShape,
            "out must have a row a signal and a column an atom", out, "x", x, "atoms", atoms);
  }
};

}  // namespace orthokit
