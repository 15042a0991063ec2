// The formulas again, in plain loops over doubles. A reference gets an op whose views keep shape
// and dtype while their data are doubles, one an element, integers included; tensors it must not
// change are not to be written.
#pragma once
#include <cmath>
#include <vector>

#include "core/op.h"

namespace orthokit::bench {

struct Reference {
  const OpInfo* op;
  void (*run)(const void* op);
  // The error that is allowed, in units of rounding of the arithmetic's dtype, relative to a
  // tensor's largest element.
  double (*growth)(const void* op);
};
std::vector<Reference>& reference_list();
const Reference* find_reference(const OpInfo&);

inline double* values(const View& v) { return v.as<double>(); }

inline double sum_of_squares(const View& v) {
  long double sum = 0;
  for (int64_t i = 0; i < v.size(); ++i)
    sum += static_cast<long double>(values(v)[i]) * values(v)[i];
  return double(sum);
}

inline constexpr double kExact = 0;         // the reference, rounded once
inline constexpr double kElementwise = 16;  // some operations on each element

inline double allowed(double growth = kElementwise) { return growth; }

template <class Op, void (*run)(const Op&), double (*growth)(const Op&)>
bool register_reference() {
  reference_list().push_back({&info<Op>(), [](const void* op) { run(*static_cast<const Op*>(op)); },
                              [](const void* op) { return growth(*static_cast<const Op*>(op)); }});
  return true;
}

}  // namespace orthokit::bench

// The last line of a reference's file: the loops, and how far rounding may take a kernel from them,
// an expression of `op`; kElementwise where it is left out.
#define ORTHOKIT_REFERENCE(Op, run, ...)                                                  \
  static double growth_of([[maybe_unused]] const Op& op) { return allowed(__VA_ARGS__); } \
  [[maybe_unused]] static const bool reference_known = register_reference<Op, run, growth_of>()
