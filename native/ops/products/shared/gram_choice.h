// Choice of Newton–Schulz on the Gram matrix, as measured: by shape and dtype alone, so that the
// bits depend on nothing else.
#pragma once
#include <algorithm>
#include <cmath>

#include "core/op.h"

namespace orthokit {

struct GramChoice {
  Dtype dtype;    // that the products are in
  int64_t side;   // from this short side on, to that of the next line of the dtype
  double aspect;  // the long side over the short one from which on the Gram matrix is faster
};

inline constexpr GramChoice kGramChoices[] = {
#include "ops/products/shared/gram_choices.inc"
};

inline bool prefers_gram(const Matrices& s, Dtype working) {
  const int64_t shorter = std::min(s.rows, s.columns), longer = std::max(s.rows, s.columns);
  bool prefers = false;
  for (const GramChoice& choice : kGramChoices)
    if (choice.dtype == working && choice.side <= shorter)
      prefers = double(longer) >= choice.aspect * double(shorter);
  return prefers;
}

}  // namespace orthokit
