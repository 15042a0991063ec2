// Sides of a matrix, and what it is projected onto a basis of one.
#pragma once
#include <algorithm>

#include "core/op.h"

namespace orthokit {

enum class ProjectionSide : int32_t { kStd, kReverseStd, kLeft, kRight };
inline Words words(ProjectionSide) {
  static constexpr const char* list[] = {"std", "reverse_std", "left", "right"};
  return list;
}

// As many singular vectors as the shorter side has, of the columns of a matrix (left) or of its
// rows.
struct Projection {
  Matrices of;
  bool is_left;

  int64_t length() const { return is_left ? of.rows : of.columns; }  // of a vector
  int64_t vectors() const { return std::min(of.rows, of.columns); }
  bool is_longer() const { return length() > vectors(); }  // than the other side
  int64_t basis_size() const { return of.batch * length() * vectors(); }
  // Sides of what is projected.
  int64_t rows() const { return is_left ? vectors() : of.rows; }
  int64_t columns() const { return is_left ? of.columns : vectors(); }
  int64_t size() const { return of.batch * rows() * columns(); }
};

inline Projection projection_of(const View& x, ProjectionSide side) {
  const Matrices m = matrices(x);
  switch (side) {
    case ProjectionSide::kLeft:
      return {m, true};
    case ProjectionSide::kRight:
      return {m, false};
    case ProjectionSide::kReverseStd:
      return {m, m.rows >= m.columns};
    default:
      return {m, m.rows < m.columns};
  }
}

}  // namespace orthokit
