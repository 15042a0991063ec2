#pragma once
#include "core/op.h"

namespace orthokit {

struct TaskNeighbours {
  static constexpr const char *name = "task_neighbours",
                              *summary = "nearest other rows, by the products of rows";
  static constexpr const char* about = R"(
  For each row of each task, the rows that are nearest to it without itself, from the nearest on, and
  their squared distances gᵢᵢ + gⱼⱼ − 2 gᵢⱼ, not below 0, by the products g [tasks, n, n] of the task's rows.
  Of equal distances the first row comes first. Rows before `from` take no part: they have the index
  −1 and the distance 0.
  Numerics: in f64. A NaN counts as infinity.
  Traffic: one read of the products, one write.
  )";
  static constexpr const char* examples[] = {
      "products=f64[3x31x31] index=i32[3x31x2] distances=f64[3x31x2]",
      "products=f64[2x17x17] index=i32[2x17x5] distances=f64[2x17x5] from=3",
      "products=f64[1x5x5] index=i32[1x5x0] distances=f64[1x5x0]"};
  static constexpr const char* cases[] = {
      "products=f64[600x80x80] index=i32[600x80x2] distances=f64[600x80x2]"};
  View products, index, distances;
  int64_t from = 0;

  int64_t tasks() const { return products.shape[0]; }
  int64_t rows() const { return products.shape[1]; }
  int64_t count() const { return index.shape[2]; }
  void fields(Fields& f) {
    f.in("products", products), f.out("index", index), f.out("distances", distances);
    f.value("from", from);
  }
  double flops() const { return 3 * double(products.size()); }
  void check(auto require) const {
    require(products.dtype == Dtype::kF64, ErrorCode::kDtype, "products must be f64", products);
    require(products.rank == 3 && products.shape[1] == products.shape[2], ErrorCode::kShape,
            "products must be square matrices of tasks", products);
    require(rows() < int64_t(1) << 31, ErrorCode::kShape, "products must have fewer than 2^31 rows",
            products);
    require(from >= 0 && from <= rows(), ErrorCode::kArgument, "from must be a row of the products",
            double(from));
    require(index.dtype == Dtype::kI32, ErrorCode::kDtype, "index must be i32", index);
    require(index.rank == 3 && index.shape[0] == tasks() && index.shape[1] == rows() &&
                (index.shape[2] == 0 || index.shape[2] < rows() - from),
            ErrorCode::kShape, "index must have a row a row, of fewer columns than rows take part",
            index, "products", products);
    require(distances.dtype == Dtype::kF64, ErrorCode::kDtype, "distances must be f64", distances);
    require(same_shape(distances, index), ErrorCode::kShape, "distances must have index' shape",
            distances, "index", index);
  }
};

}  // namespace orthokit
