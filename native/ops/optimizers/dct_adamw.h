#pragma once
#include "ops/optimizers/shared/cosine_subspace.h"
#include "ops/optimizers/shared/matrix_step.h"
#include "ops/optimizers/shared/weights.h"

namespace orthokit {

enum class ErrorFeedback : int32_t { kOff, kOn, kEightBits, kFourBits };
inline Words words(ErrorFeedback) {
  static constexpr const char* list[] = {"off", "on", "8bit", "4bit"};
  return list;
}

enum class Rotation : int32_t { kOff, kOn };
inline Words words(Rotation) {
  static constexpr const char* list[] = {"off", "on"};
  return list;
}

struct DctAdamw {
  static constexpr const char *name = "dct_adamw",
                              *summary = "one DCT-AdamW step on a list of parameters";
  static constexpr const char* about = R"(
  One DCT-AdamW step on a list of matrices, batches (rank 3) and convolutions (rank 4, 5: [O, rest]);
  Modoranu et al., arXiv 2505.17967, as corrected in docs/systems.md.
    A = g + E,  a = A D_r,  E ← A − a D_rᵀ,  u = adamw(a),  w ← keep · w − lr · u D_rᵀ
  D is the DCT-II basis, or the DCT-III basis by `basis`, of the shorter side; D_r its columns at
  `indices`: in the first step, and in each whose number `gap` divides, the `rank` columns with the
  largest 1-norms of A D, of equal ones the first. Moments of a have a row a column of D_r; with
  `rotate` they stay with their columns where indices change. Without errorFeedback E is 0; 8bit and
  4bit keep it in codes of quantize_rows, whose rows are those of the matrices. A matrix that is wider
  than tall takes the same from the left. A coordinate that is at most 4 log₂ 2n roundings of the norm
  of its row of A, n long, counts as 0: rounding alone may have made it, and a step of Adam has the
  same size whatever the gradient's. So does one of 4 √(2/n) roundings of 16 bits, where they keep E.
  E is made of the coordinates that are not taken.
  Composed of momentum, dct, row_top_k, carry_rows, gather and scatter, adamw and apply_update.
  Numerics: f32, or f64 for f64 weights; sums of the 1-norms in f64.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[65x30],f32[33x31] grads=f32[65x30],f32[33x31] momenta=f32[5x65],f32[5x33] "
      "roots=f32[5x65],f32[5x33] indices=i32[5],i32[5] steps=i32[1],i32[1] lr=0.01 rank=5 "
      "statistics=f64[2x3]",
      "weights=f64[3x17x31] grads=f64[3x17x31] momenta=f64[3x4x31] roots=f64[3x4x31] "
      "indices=i32[3x4] steps=i32[1] feedback=f64[3x17x31] errorFeedback=on lr=0.01 rank=4 "
      "rotate=on basis=dct3",
      "weights=bf16[33x65],f16[5x3x2x2] grads=bf16[33x65],f32[5x3x2x2] "
      "masters=bf16[33x65],f32[5x3x2x2] momenta=f32[33x65],f32[5x12] roots=bf16[33x65],f16[5x12] "
      "indices=i32[33],i32[5] steps=i32[1],i32[1] lr=0.01 rank=64 weightDecay=0.1 gap=2",
      "weights=f32[31x33] grads=f32[31x33] momenta=f32[3x33] roots=f32[3x33] indices=i32[3] "
      "steps=i32[1] feedback=u8[31x33] ranges=f32[31x2] errorFeedback=8bit lr=0.01 rank=3 "
      "weightDecay=0.1 weightDecayMode=l2",
      "weights=f32[33x7] grads=f32[33x7] momenta=f32[3x33] roots=f32[3x33] indices=i32[3] "
      "steps=i32[1] feedback=u8[33x4] ranges=f32[33x2] errorFeedback=4bit lr=0.01 rank=3 "
      "weightDecay=0.1 weightDecayMode=cautious",
      "weights=f32[31x33] grads=f32[31x33] guard=f64[1] momenta=f32[3x33] roots=f32[3x33] "
      "indices=i32[3] steps=i32[1] lr=0.01 rank=3 statistics=f64[3]"};
  static constexpr const char* cases[] = {
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[128x1024] roots=f32[128x1024] "
      "indices=i32[128] steps=i32[1] lr=0.001 rank=128",
      "weights=f32[1024x1024] grads=f32[1024x1024] momenta=f32[128x1024] roots=f32[128x1024] "
      "indices=i32[128] steps=i32[1] feedback=f32[1024x1024] errorFeedback=on lr=0.001 rank=128 "
      "rotate=on"};
  Step step;
  List<View> momenta, roots, indices, steps;
  List<View> feedback, ranges;  // of no element without errorFeedback; ranges of codes alone
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  int64_t rank = 128, gap = 1;
  Rotation rotate = Rotation::kOff;
  ErrorFeedback error_feedback = ErrorFeedback::kOff;
  DctKind basis = DctKind::kDct2;

  // A matrix of the moments: rows of the basis' vectors, as long as the longer side.
  Matrices inside(int64_t i) const {
    const Matrices m = matrices(step.weights[i]);
    return {m.batch, CosineSubspace::rank_of(m, rank), std::max(m.rows, m.columns)};
  }
  // The share of the norm of its row, or column, that a coordinate may have of rounding alone: of a
  // transform, and of feedback that is kept in less than it; no entry of the basis is larger than
  // √(2/n).
  double least(int64_t i) const {
    const Matrices m = matrices(step.weights[i]);
    const double n = double(std::min(m.rows, m.columns)),
                 unit = rounding_unit(arithmetic_dtype(step.weights[i]));
    const bool is_whole = error_feedback == ErrorFeedback::kOn;
    const double kept = is_whole ? rounding_unit(feedback[i].dtype) : 0;
    return std::min(4 * std::log2(2 * n) * unit + (kept > unit ? 4 * kept * std::sqrt(2 / n) : 0),
                    0.5);
  }
  // Rows of feedback in codes, and bytes of each.
  int64_t bits() const { return error_feedback == ErrorFeedback::kFourBits ? 4 : 8; }
  bool is_coded() const {
    return error_feedback != ErrorFeedback::kOff && error_feedback != ErrorFeedback::kOn;
  }
  double flops() const {
    const bool feeds_back = error_feedback != ErrorFeedback::kOff;
    double sum = step.flops(3) + (feeds_back ? 1.5 : 1) * cosine_flops(step.weights);
    for (int64_t i = 0; i < step.weights.count; ++i) {
      const Matrices m = inside(i);
      sum += 24 * double(m.batch) * double(m.rows) * double(m.columns);
    }
    return sum;
  }
  void fields(Fields& f) {
    step.operands(f);
    f.inout("momenta", momenta), f.inout("roots", roots), f.inout("indices", indices);
    f.inout("steps", steps), f.inout("feedback", feedback, kOptional);
    f.inout("ranges", ranges, kOptional);
    step.values(f);
    f.value("beta1", beta1), f.value("beta2", beta2), f.value("eps", eps);
    f.value("rank", rank), f.value("gap", gap), f.value("rotate", rotate);
    f.value("errorFeedback", error_feedback), f.value("basis", basis);
  }
  void check(auto require) const {
    step.check(require);
    check_matrices(require, step.weights);
    require(rank >= 1, ErrorCode::kArgument, "rank must be at least 1", double(rank));
    require(gap >= 1, ErrorCode::kArgument, "gap must be at least 1", double(gap));
    check_fraction(require, "beta1 must be in [0, 1)", beta1);
    check_fraction(require, "beta2 must be in [0, 1)", beta2);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
    step.check_steps(require, steps);
    check_moments(require, "momenta must be as many as weights", "momenta must be floating",
                  "momenta must have `rank` rows of the longer side of each matrix", momenta);
    check_moments(require, "roots must be as many as weights", "roots must be floating",
                  "roots must have `rank` rows of the longer side of each matrix", roots);
    require(indices.count == step.weights.count, ErrorCode::kArgument,
            "indices must be as many as weights", double(indices.count));
    for (int64_t i = 0; i < indices.count; ++i)
      require.array("indices must be i32 with `rank` elements a matrix", indices[i], Dtype::kI32,
                    inside(i).batch * inside(i).rows);
    check_feedback(require);
  }
  void check_moments(auto require, const char* many, const char* dtype, const char* shape,
                     const List<View>& list) const {
    require(list.count == step.weights.count, ErrorCode::kArgument, many, double(list.count));
    for (int64_t i = 0; i < list.count; ++i) {
      const Matrices m = inside(i);
      require(is_floating(list[i]), ErrorCode::kDtype, dtype, list[i]);
      require(list[i].size() == m.batch * m.rows * m.columns, ErrorCode::kShape, shape, list[i],
              "weights", step.weights[i]);
    }
  }
  void check_feedback(auto require) const {
    const int64_t count = error_feedback == ErrorFeedback::kOff ? 0 : step.weights.count;
    require(feedback.count == count, ErrorCode::kArgument,
            "feedback must be as many as weights, for errorFeedback", double(feedback.count));
    require(ranges.count == (is_coded() ? count : 0), ErrorCode::kArgument,
            "ranges must be as many as weights, for errorFeedback 8bit and 4bit",
            double(ranges.count));
    for (int64_t i = 0; i < count; ++i) {
      if (!is_coded()) {
        require(is_floating(feedback[i]), ErrorCode::kDtype, "feedback must be floating",
                feedback[i]);
        require(same_shape(feedback[i], step.weights[i]), ErrorCode::kShape,
                "feedback must be like weights", feedback[i], "weights", step.weights[i]);
        continue;
      }
      const Matrices m = matrices(step.weights[i]);
      const int64_t rows = m.batch * m.rows, width = bits() == 4 ? (m.columns + 1) / 2 : m.columns;
      require.array("feedback must be u8 with a byte a number, or for two of a row with 4bit",
                    feedback[i], Dtype::kU8, rows * width);
      require.array("ranges must be f32, f64 for f64 weights, with two elements a row", ranges[i],
                    arithmetic_dtype(step.weights[i]), 2 * rows);
    }
  }
};

}  // namespace orthokit
