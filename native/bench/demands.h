// Demands of operations, noted while their checks run on examples: `--demands` prints them, and the
// documentation is written from them (scripts/generate-native-types.mjs).
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "core/op.h"

namespace orthokit::bench {

struct Demand {
  ErrorCode code;
  std::string words;
  bool operator==(const Demand&) const = default;
};

// Stands where checks expect a Require: notes every demand once, and throws as Require does.
class Noted {
 public:
  explicit Noted(std::vector<Demand>& demands) : demands_(&demands) {}
  template <class... Got>
  void operator()(bool good, ErrorCode code, const char* what, const Got&... got) const {
    note(code, what);
    Require{}(good, code, what, got...);
  }
  void size(bool good, const char* what, const View& got, int64_t size) const {
    note(ErrorCode::kShape, what);
    Require{}.size(good, what, got, size);
  }
  void array(const char* what, const View& v, Dtype dtype, int64_t count) const {
    note(ErrorCode::kDtype, what), note(ErrorCode::kShape, what);
    Require{}.array(what, v, dtype, count);
  }

 private:
  void note(ErrorCode code, const char* what) const {
    const Demand demand{code, what};
    if (std::ranges::find(*demands_, demand) == demands_->end()) demands_->push_back(demand);
  }

  std::vector<Demand>* demands_;
};

// Calls of which only the check is run, where no example can be such a call.
template <class Op>
constexpr Words checked_of() {
  if constexpr (requires { Op::checked; })
    return Op::checked;
  else
    return {};
}

}  // namespace orthokit::bench
