// Whether an op's results are right: within rounding of the reference on the same inputs.
#pragma once
#include "bench/compare.h"

namespace orthokit::torture {

using bench::Bytes;
using bench::Case;

// What a result may be. For each element of each output: the reference's value, and how far from it
// a result may lie. That is
//   growth · u · largest element, the reference's own allowance (u: unit of the arithmetic),
// + one rounding to the tensor's dtype,
// + twice what the reference moves when each input is moved by growth · u, or by the rounding of the
//   state: where terms cancel, no way of computing is better than that.
// An element whose finiteness such a move changes may be anything.
class Oracle {
 public:
  Oracle(const Case&, const std::vector<Bytes>& before);
  // Empty, or what is wrong.
  std::string judge(const Case&, const std::vector<Bytes>& after) const;
  // The same for the difference of two results, neither of them the reference.
  std::string judge(const Case&, const std::vector<Bytes>& one,
                    const std::vector<Bytes>& other) const;

 private:
  std::string judge(const Case&, const std::vector<bench::Value>& expected,
                    const std::vector<Bytes>& after) const;
  double growth_ = 0, magnitude_ = 0;
  std::vector<Bytes> before_;
  std::vector<bench::Value> expected_;
  std::vector<std::vector<double>> moved_;  // by how much; infinity: anything goes
};

}  // namespace orthokit::torture
