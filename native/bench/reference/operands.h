// The tensors of an op, and the same op on doubles in host memory: what a reference works on.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "core/fields.h"

namespace orthokit::bench {

struct OperandOfOp {
  std::string_view name;
  int64_t index;  // position in its list
  int role;
  View* view;
};
// Those that are there, in the order of the fields.
std::vector<OperandOfOp> operands_of(const OpInfo&, void* op);

class CopyOfOp {
 public:
  // `values` are those of each operand.
  CopyOfOp(const OpInfo&, const void* op, std::vector<std::vector<double>> values);
  const void* op() const { return packed_.data.get(); }
  std::vector<std::vector<double>>& values() { return values_; }

 private:
  Packed packed_;
  std::vector<std::vector<double>> values_;
};

double unit_of(Dtype);  // half the distance of neighbours, relative; 0: exact

struct Value {  // of one operand
  std::vector<double> elements;
  double unit;
};
struct StoredOperand {
  std::string_view name;
  int64_t index;
  Dtype dtype;
  std::span<const std::byte> data;
};
// The elements of all operands of an op. Weights whose low 16 bits lie apart, in masters of bf16,
// are joined.
std::vector<Value> joined_values(const std::vector<StoredOperand>&);

}  // namespace orthokit::bench
