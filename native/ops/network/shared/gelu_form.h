// Which function is called GELU (Hendrycks and Gimpel 2016, section 2): x Φ(x), where Φ is the
// distribution function of the normal distribution, or the approximation that GPT-2 and BERT's
// program use.
#pragma once
#include "core/op.h"

namespace orthokit {

enum class GeluForm : int32_t { kErf, kTanh };
inline Words words(GeluForm) {
  static constexpr const char* list[] = {"erf", "tanh"};
  return list;
}

}  // namespace orthokit
