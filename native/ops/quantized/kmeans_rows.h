#pragma once
#include "ops/quantized/shared/codebooks.h"
#include "ops/shared/rows.h"

namespace orthokit {

struct KmeansRows {
  static constexpr const char *name = "kmeans_rows",
                              *summary = "the k means of the numbers of each row";
  static constexpr const char* about = R"(
  codebooks = for each row of x the k numbers, ascending, that make Σⱼ minₖ (xⱼ − cₖ)² least, where k
  is the number of columns of codebooks: of numbers on a line the clusters are ranges of the sorted
  row, so that dynamic programming over their ends finds the least of all (Wang and Song,
  Ckmeans.1d.dp, R Journal 2011), in time k n log n by halves. A row of k values or fewer has them,
  the last one repeated. A row that holds NaN or infinity has NaN.
  In a row of more than 512 values, and than p = max(4096 / k, 256, 8 k), the ends are those of the
  best split of p ranges: cut where as many numbers lie between two cuts, of which `seed` draws the
  first, and where two cuts are as far apart. Lloyd's iterations over all numbers, by sums before
  each in the sorted row, then move them until none moves: a local minimum that starts near the
  least one.
  Numerics: sums of deviations from the row's mean in f64, rounded once. On the CUDA backend the
  host computes: rows go there, codebooks come back.
  Traffic: some reads and writes of two copies of x, by which it is sorted.
  )";
  static constexpr const char* examples[] = {
      "x=f32[5x97] codebooks=f32[5x4]", "x=f32[3x43] codebooks=f32[3x2]",
      "x=f32[2x230] codebooks=f32[2x16]", "x=f32[4x3] codebooks=f32[4x8]",
      "x=f32[7x31] codebooks=f32[7x1]"};
  static constexpr const char* cases[] = {"x=f32[1024x4096] codebooks=f32[1024x16]",
                                          "x=f32[1x4194304] codebooks=f32[1x16]"};
  View x, codebooks;
  int64_t seed = 0;

  double flops() const {
    const double n = double(row_length(x));
    return double(row_count(x)) * n * (24 + 60 * double(codebooks.shape[1]));
  }
  double bytes() const { return 8 * double(bytes_in(x)) + double(bytes_in(codebooks)); }
  void fields(Fields& f) { f.in("x", x), f.out("codebooks", codebooks), f.value("seed", seed); }
  void check(auto require) const {
    require(x.dtype == Dtype::kF32, ErrorCode::kDtype, "x must be f32", x);
    require(x.rank == 2 && x.shape[1] >= 1, ErrorCode::kShape,
            "x must be a matrix of rows with elements", x);
    require(codebooks.dtype == Dtype::kF32, ErrorCode::kDtype, "codebooks must be f32", codebooks);
    require(codebooks.rank == 2 && codebooks.shape[0] == x.shape[0] && codebooks.shape[1] >= 1 &&
                codebooks.shape[1] <= kMostCodes,
            ErrorCode::kShape, "codebooks must have a row of 1 to 256 numbers a row of x",
            codebooks, "x", x);
    require(seed >= 0, ErrorCode::kArgument, "seed must not be negative", double(seed));
  }
};

}  // namespace orthokit
