#pragma once
#include "core/op.h"

namespace orthokit {

enum class TopOrder : int32_t { kValue, kSize };
inline Words words(TopOrder) {
  static constexpr const char* list[] = {"value", "size"};
  return list;
}

struct TopK {
  static constexpr const char *name = "top_k",
                              *summary = "the k largest elements of a tensor, by value or by size";
  static constexpr const char* about = R"(
  index = the places in x, counted along its rows, of its k largest elements, from the largest on,
  where k is the number of elements of index; values = these elements of x, with their signs. By
  value x is compared, by size |x|. Of equal ones the first place comes first.
  Comparisons are of numbers, exactly: −0 equals 0, subnormal numbers count, infinity is above all
  numbers, and NaN above infinity, each equal to another one.
  Radix selection of the k-th key (see select_kth), then the elements above it and the first ones
  that equal it, in order, of which those above are sorted by radix. On the CPU a sample tells a
  bound first that some more than k should reach; where it holds, these are sorted and no key is
  selected. The result is the only one that there is, and so the same for any number of threads.
  Traffic: on the CPU two reads of x, one of at most 65,536 elements; three, and of f64 five, where k
  is near the size, four and six where the sample misleads. On CUDA five, or eight. Beside them those
  of what is found.
  )";
  static constexpr const char* examples[] = {
      "x=f32[597x43] index=i32[31] values=f32[31]", "x=f32[200000] index=i32[20000] order=size",
      "x=f64[70001] index=i32[70001] values=f64[70001]",
      "x=bf16[4097] index=i32[400] values=bf16[400] order=size", "x=f16[33] index=i32[0]"};
  static constexpr const char* cases[] = {"x=f32[28672x1024] index=i32[2936013] order=size",
                                          "x=f32[28672x1024] index=i32[1024] values=f32[1024]",
                                          "x=f32[64x1024] index=i32[6553] values=f32[6553]"};
  View x, index, values;
  TopOrder order = TopOrder::kValue;

  int64_t count() const { return index.size(); }
  void fields(Fields& f) {
    f.in("x", x), f.out("index", index), f.out("values", values, kOptional);
    f.value("order", order);
  }
  double flops() const { return double(x.size()); }
  double bytes() const {
    return 2 * double(bytes_in(x)) + double(bytes_in(index)) + double(bytes_in(values));
  }
  void check(auto require) const {
    require(is_floating(x), ErrorCode::kDtype, "x must be floating", x);
    require(x.size() <= int64_t(1) << 31, ErrorCode::kShape, "x must have at most 2^31 elements",
            x);
    require(index.dtype == Dtype::kI32, ErrorCode::kDtype, "index must be i32", index);
    require(index.size() <= x.size(), ErrorCode::kShape,
            "index must have at most as many elements as x", index, "x", x);
    if (values) {
      require(values.dtype == x.dtype, ErrorCode::kDtype, "values must have x's dtype", values);
      require(same_shape(values, index), ErrorCode::kShape, "values must have the shape of index",
              values, "index", index);
    }
  }
};

}  // namespace orthokit
