#pragma once
#include "core/op.h"

namespace orthokit {

enum class GraphForm : int32_t { kPsd, kRaw };
inline Words words(GraphForm) {
  static constexpr const char* list[] = {"psd", "raw"};
  return list;
}
enum class CenterUpdate : int32_t { kNone, kHard, kSoft };
inline Words words(CenterUpdate) {
  static constexpr const char* list[] = {"none", "hard", "soft"};
  return list;
}
enum class RoundStart : int32_t { kCosts, kKept };
inline Words words(RoundStart) {
  static constexpr const char* list[] = {"costs", "kept"};
  return list;
}

struct ClusterRound {
  static constexpr const char *name = "cluster_round",
                              *summary = "a round of clustering with a neighbour graph, for tasks";
  static constexpr const char* about = R"(
  One outer iteration of SLK and of LaplacianShot (Ziko, Granger and Ben Ayed 2018; Ziko, Dolz and
  others 2020), for tasks of n rows in k clusters by themselves. A center is a sum of rows, c = Σⱼ
  weightsⱼ xⱼ, so that all distances follow from the products g of rows:
    a = temperature · |x − c|², or with sigmaSquares −temperature · exp(−|x − c|² / 2σ²),
    z = softmax(−a), or the z that is given by the word `start` 'kept'; one-hot in the first rows, whose
    labels are `fixed`; then at most as many steps as `energies` has columns of
    z = softmax(−a + lambda · W z), one-hot again in the fixed rows,
  until E = Σ z ln z + Σ a z − lambda / 2 Σ z W z changes by less than tol · |E|; `energies` gets E after each
  step, `taken` the number of steps. W by the word `graph`: 'raw' has 1 for each neighbour of a row;
  'psd' is its symmetric part plus the sums of the rows of that, for which no step raises E.
  Then labels are the first largest of each row of z, and by the word `update` the weights of the next
  round: 'hard' means of the rows with a label, or with sigmaSquares what mean shift from the center
  over them converges to (1e-5, at most 1000 iterations); 'soft' means of all rows weighted by z; 'none'
  as they are. `vanished` is the number of clusters that no row has: then z, labels and weights stay as
  they were, but where the labels were −1. A cluster of which rows have less than 2^−1022 together, as
  where all that is labelled so is a fixed row of a label that is no cluster, keeps its weights. Tasks
  whose `active` is 0 stay as they are.
  Numerics: in f64. A neighbour that is no row is none. NaN stays in its task.
  Traffic: one read of the products a round, and of z and its neighbours a step.
  )";
  static constexpr const char* examples[] = {
      "products=f64[3x17x17] neighbours=i32[3x17x2] fixed=i32[3x3] weights=f64[3x3x17] "
      "z=f64[3x17x3] labels=i32[3x17] energies=f64[3x4] taken=i32[3] vanished=i32[3] lambda=0.7 "
      "update=soft",
      "products=f64[2x31x31] neighbours=i32[2x31x3] weights=f64[2x4x31] sigmaSquares=f64[2] "
      "z=f64[2x31x4] labels=i32[2x31] energies=f64[2x3] taken=i32[2] vanished=i32[2] lambda=0.5 "
      "temperature=2 graph=raw start=kept",
      "products=f64[1x5x5] neighbours=i32[1x5x0] fixed=i32[1x2] weights=f64[1x2x5] z=f64[1x5x2] "
      "labels=i32[1x5] active=i32[1] energies=f64[1x1] taken=i32[1] vanished=i32[1] update=hard"};
  static constexpr const char* cases[] = {
      "products=f64[600x80x80] neighbours=i32[600x80x2] fixed=i32[600x5] weights=f64[600x5x80] "
      "z=f64[600x80x5] labels=i32[600x80] energies=f64[600x20] taken=i32[600] vanished=i32[600] "
      "lambda=0.7 update=hard"};
  static constexpr double kShiftTolerance = 1e-5;
  static constexpr int kMostShifts = 1000;
  // σ² of rows that all are the same.
  static constexpr double kLeastSquare = 0x1p-1000;
  static constexpr double kLeastShare = 0x1p-1022;
  View products, neighbours, fixed, sigma_squares, active, weights, z, labels, energies, taken,
      vanished;
  double lambda = 0, temperature = 1, tol = 0;
  GraphForm graph = GraphForm::kPsd;
  CenterUpdate update = CenterUpdate::kNone;
  RoundStart start = RoundStart::kCosts;

  int64_t tasks() const { return products.shape[0]; }
  int64_t rows() const { return products.shape[1]; }
  int64_t clusters() const { return weights.shape[1]; }
  int64_t degree() const { return neighbours.shape[2]; }
  int64_t fixed_rows() const { return fixed ? fixed.shape[1] : 0; }
  int64_t steps() const { return energies.shape[1]; }
  void fields(Fields& f) {
    f.in("products", products), f.in("neighbours", neighbours), f.in("fixed", fixed, kOptional);
    f.in("sigmaSquares", sigma_squares, kOptional), f.in("active", active, kOptional);
    f.inout("weights", weights), f.inout("z", z), f.inout("labels", labels);
    f.inout("energies", energies), f.inout("taken", taken), f.inout("vanished", vanished);
    f.value("lambda", lambda), f.value("temperature", temperature), f.value("tol", tol);
    f.value("graph", graph), f.value("update", update), f.value("start", start);
  }
  double flops() const {
    return 2 * double(products.size()) +
           double(energies.size()) * double(rows() * clusters()) * (40 + 2 * double(degree()));
  }
  void check(auto require) const {
    require(products.dtype == Dtype::kF64, ErrorCode::kDtype, "products must be f64", products);
    require(products.rank == 3 && products.shape[1] == products.shape[2], ErrorCode::kShape,
            "products must be square matrices of tasks", products);
    for (auto& v : {weights, z, energies})
      require(v.dtype == Dtype::kF64, ErrorCode::kDtype, "weights, z and energies must be f64", v);
    for (auto& v : {neighbours, labels, taken, vanished})
      require(v.dtype == Dtype::kI32, ErrorCode::kDtype,
              "neighbours, labels, taken and vanished must be i32", v);
    require(neighbours.rank == 3 && neighbours.shape[0] == tasks() && neighbours.shape[1] == rows(),
            ErrorCode::kShape, "neighbours must have a row a row of the products", neighbours,
            "products", products);
    require(weights.rank == 3 && weights.shape[0] == tasks() && weights.shape[2] == rows() &&
                weights.shape[1] > 0,
            ErrorCode::kShape, "weights must have clusters of one element a row", weights,
            "products", products);
    require(
        z.rank == 3 && z.shape[0] == tasks() && z.shape[1] == rows() && z.shape[2] == clusters(),
        ErrorCode::kShape, "z must have one element a row and cluster", z, "weights", weights);
    require(labels.rank == 2 && labels.shape[0] == tasks() && labels.shape[1] == rows(),
            ErrorCode::kShape, "labels must have one element a row", labels, "products", products);
    require(energies.rank == 2 && energies.shape[0] == tasks() && steps() > 0, ErrorCode::kShape,
            "energies must have a step and a row a task", energies, "products", products);
    for (auto& v : {taken, vanished})
      require(v.rank == 1 && v.shape[0] == tasks(), ErrorCode::kShape,
              "taken and vanished must have one element a task", v, "products", products);
    if (fixed) {
      require(fixed.dtype == Dtype::kI32, ErrorCode::kDtype, "fixed must be i32", fixed);
      require(fixed.rank == 2 && fixed.shape[0] == tasks() && fixed.shape[1] <= rows(),
              ErrorCode::kShape, "fixed must have the labels of first rows, a row a task", fixed,
              "products", products);
    }
    if (sigma_squares) {
      require(sigma_squares.dtype == Dtype::kF64, ErrorCode::kDtype, "sigmaSquares must be f64",
              sigma_squares);
      require(sigma_squares.rank == 1 && sigma_squares.shape[0] == tasks(), ErrorCode::kShape,
              "sigmaSquares must have one element a task", sigma_squares, "products", products);
      require(update != CenterUpdate::kSoft, ErrorCode::kArgument,
              "sigmaSquares must not be given for soft means", sigma_squares);
    }
    if (active) {
      require(active.dtype == Dtype::kI32, ErrorCode::kDtype, "active must be i32", active);
      require(active.rank == 1 && active.shape[0] == tasks(), ErrorCode::kShape,
              "active must have one element a task", active, "products", products);
    }
    require(lambda >= 0 && lambda - lambda == 0, ErrorCode::kArgument,
            "lambda must be finite and not negative", lambda);
    require(temperature > 0 && temperature - temperature == 0, ErrorCode::kArgument,
            "temperature must be positive and finite", temperature);
    require(tol >= 0, ErrorCode::kArgument, "tol must not be negative", tol);
  }
};

}  // namespace orthokit
