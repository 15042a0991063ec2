// Second moments of the rows of an update, or of its columns.
#pragma once
#include "ops/optimizers/shared/step.h"

namespace orthokit {

enum class NorMuonVariant : int32_t { kRepo, kPaper, kDion, kNanogpt };
inline Words words(NorMuonVariant) {
  static constexpr const char* list[] = {"repo", "paper", "dion", "nanogpt"};
  return list;
}

enum class MomentAxis : int32_t { kRow, kLong };
inline Words words(MomentAxis) {
  static constexpr const char* list[] = {"row", "long"};
  return list;
}

struct RowMoments {
  int64_t batch, length;  // matrices, and moments of each
  int64_t elements;       // of a moment's mean
  bool of_columns;
  int64_t count() const { return batch * length; }
};
inline RowMoments row_moments(const View& weight, MomentAxis axis) {
  const Matrices m = matrices(weight);
  const bool of_columns = axis == MomentAxis::kLong && m.rows < m.columns;
  if (of_columns) return {m.batch, m.columns, m.rows, true};
  return {m.batch, m.rows, m.columns, false};
}

inline void check_row_moments(auto require, const Step& step, const List<View>& moments,
                              MomentAxis axis) {
  require(moments.count == step.weights.count, ErrorCode::kArgument,
          "secondMoments must be as many as weights", double(moments.count));
  for (int64_t i = 0; i < moments.count; ++i) {
    const View& weight = step.weights[i];
    require(weight.rank >= 2, ErrorCode::kShape, "weights must have rank 2 or more", weight);
    const RowMoments m = row_moments(weight, axis);
    require(is_floating(moments[i]), ErrorCode::kDtype, "secondMoments must be floating",
            moments[i]);
    require(moments[i].rank == 1 && moments[i].shape[0] == m.count(), ErrorCode::kShape,
            "secondMoments must have one element a row of the matrices of weights, by axis",
            moments[i]);
    require(m.elements != 1, ErrorCode::kShape,
            "weights must have more than one element in what a second moment is of", weight);
  }
}

}  // namespace orthokit
