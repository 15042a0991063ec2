#pragma once
#include "core/op.h"
#include "ops/shared/arithmetic.h"

namespace orthokit {

enum class SelectScope : int32_t { kTensor, kList };
inline Words words(SelectScope) {
  static constexpr const char* list[] = {"tensor", "list"};
  return list;
}

struct SelectKth {
  static constexpr const char *name = "select_kth",
                              *summary = "the k-th largest size of each tensor, or of all";
  static constexpr const char* about = R"(
  outₚ = the ranksₚ-th largest |x| of tensor p of the list, from 1 on; with scope list, the one
  number of ranks counts through all tensors. 0 where there are not so many elements.
  Sizes are compared as numbers, exactly: −0 is 0, subnormal numbers count, equal ones count each,
  infinity is above all numbers, and NaN above infinity: a rank that falls on a NaN gives NaN.
  Radix selection: the bits of a size order like the size, so that each read settles the next bits
  of the result by counting; nothing is sorted, and counts do not depend on the number of threads.
  Traffic: two reads of x on the CPU, four of f64; on CUDA three, or six.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43],f32[1],f32[200000],f32[0] ranks=7,1,20000,1 out=f64[4]",
      "x=f64[70001],f64[31] ranks=300,31 out=f64[2]",
      "x=bf16[4097],f16[31] ranks=400,40 out=f64[2]",
      "x=f32[597x43],f64[31],bf16[100] ranks=1000 scope=list out=f64[1]"};
  static constexpr const char* cases[] = {"x=f32[28672x1024] ranks=2936013 out=f64[1]",
                                          "x=f32[64x1024] ranks=6553 out=f64[1]"};
  List<View> x;
  View out;
  List<double> ranks;
  SelectScope scope = SelectScope::kTensor;

  // Of f64 tensors the bits that a rank asks for are twice as many.
  bool is_wide() const {
    for (auto& v : x)
      if (v.dtype == Dtype::kF64) return true;
    return false;
  }
  double flops() const {
    double n = 0;
    for (auto& v : x) n += double(v.size());
    return n;
  }
  double bytes() const { return (is_wide() ? 4 : 2) * bytes_in(x) + double(bytes_in(out)); }
  void fields(Fields& f) {
    f.in("x", x), f.out("out", out), f.value("ranks", ranks), f.value("scope", scope);
  }
  void check(auto require) const {
    for (auto& v : x) require(is_floating(v), ErrorCode::kDtype, "x must be floating", v);
    const int64_t count = scope == SelectScope::kList ? 1 : x.count;
    require.array("out must be f64 with one element a tensor, or one for the list", out,
                  Dtype::kF64, count);
    require(ranks.count == count, ErrorCode::kArgument, "ranks must be as many as out has elements",
            double(ranks.count));
    for (const double rank : ranks)
      require(rank >= 1 && rank <= 0x1p53 && rank == double(int64_t(rank)), ErrorCode::kArgument,
              "ranks must be whole numbers from 1 on", rank);
  }
};

}  // namespace orthokit
