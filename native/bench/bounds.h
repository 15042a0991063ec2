// How far each element of a case's results may lie from the reference's. A bound is the sum of
//   growth · u · |element|, a few roundings of the arithmetic (u: its unit) at the element's own
//   size,
// + one rounding to the tensor's dtype, of a number that is as far off as the others let it be,
// + twice what the reference moves when each input is moved by growth · u, and what a step keeps in
//   16 bits by its rounding: where terms cancel, no way of computing is better than that.
// A reference may name the size of terms that cancel by construction, which no input moves
// (`terms`), or of all that rounds: then none is moved.
#pragma once
#include "bench/results.h"

namespace orthokit::bench {

struct Verdict {
  std::string tensor, reason;  // of the element that is furthest, as a share of its bound
  size_t element = 0;
  double expected = 0, actual = 0;
  double error = 0, limit = 0;  // its distance from the reference, and its bound
  // Elements of outputs; those accepted only because a move changes whether they are finite; those
  // whose bound is too wide to say much (kWide).
  int64_t elements = 0, waived = 0, wide = 0;
  bool passed = true;
};

// A bound wider than this share of the element and of the tensor's largest one hardly judges.
inline constexpr double kWide = 1.0 / 16;

struct Range {
  double most, least;  // the largest finite number and the smallest positive one
};
Range range_of(Dtype);

class Bounds {
 public:
  // Runs the reference once, and once a move.
  Bounds(const Case&, const Reference&, const std::vector<Value>& before);
  Verdict judge(const std::vector<Value>& actual) const;
  // Two results, neither the reference: each may be as far from it.
  Verdict judge(const std::vector<Value>& one, const std::vector<Value>& other) const;
  const std::vector<Value>& expected() const { return expected_; }
  double of(size_t operand, size_t element) const { return bounds_[operand][element]; }

 private:
  Verdict judge(const std::vector<Value>& expected, const std::vector<Value>& actual,
                double times) const;
  double subnormal_bound(double least) const;
  const Case& case_;
  double growth_;
  std::vector<Value> expected_;
  std::vector<std::vector<double>> bounds_;
  std::vector<std::vector<bool>> unsteady_;  // a move changes whether the element is finite
};

}  // namespace orthokit::bench
