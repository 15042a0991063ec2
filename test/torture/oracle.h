// The judge of an op's results: within bounds (bench/bounds.h) of the reference on the same
// inputs.
#pragma once
#include "bench/bounds.h"
#include "commands.h"

namespace orthokit::torture {

using bench::Bytes;
using bench::Case;

const bench::Reference& reference_of(const OpInfo&);

class Oracle {
 public:
  // Counts in the report what is judged and what is waived.
  Oracle(const Case&, const std::vector<Bytes>& before, Report&);
  // Empty, or what is wrong.
  std::string judge(const std::vector<Bytes>& after) const;
  // The same for the difference of two results, neither of them the reference.
  std::string judge(const std::vector<Bytes>& one, const std::vector<Bytes>& other) const;

 private:
  std::string words_of(const bench::Verdict&) const;
  const Case& case_;
  std::vector<Bytes> before_;
  std::vector<bench::Value> inputs_;
  bench::Bounds bounds_;
  Report& report_;
};

}  // namespace orthokit::torture
