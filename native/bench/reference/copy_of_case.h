// A case's op again, on doubles in host memory: what a reference works on.
#pragma once
#include "bench/case.h"
#include "core/fields.h"

namespace orthokit::bench {

class CopyOfCase {
 public:
  CopyOfCase(const Case& original, std::vector<std::vector<double>> values);
  const void* op() const { return packed_.data.get(); }
  std::vector<std::vector<double>>& values() { return values_; }  // of each operand

 private:
  Packed packed_;
  std::vector<std::vector<double>> values_;
};

}  // namespace orthokit::bench
