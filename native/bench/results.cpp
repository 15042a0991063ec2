#include "bench/results.h"

#include "bench/values.h"

namespace orthokit::bench {

Dtype arithmetic_dtype(const Case& c) {
  for (auto& o : c.operands())
    if (is_floating(o.tensor) && o.tensor.view().dtype != Dtype::kF64) return Dtype::kF32;
  return Dtype::kF64;
}
double arithmetic_unit(const Case& c) { return unit_of(arithmetic_dtype(c)); }

std::vector<Value> joined_values(const Case& c, const std::vector<Bytes>& data) {
  std::vector<StoredOperand> stored;
  for (size_t i = 0; i < data.size(); ++i) {
    const Operand& operand = c.operands()[i];
    stored.push_back({operand.name, operand.index, operand.tensor.view().dtype, data[i]});
  }
  return joined_values(stored);
}

namespace {

using Vectors = std::vector<std::vector<double>>;

Vectors elements_of(std::vector<Value>& all) {
  Vectors elements;
  for (auto& v : all) elements.push_back(std::move(v.elements));
  return elements;
}

bool is_exact(const Case& c, const Reference& reference) { return reference.growth(c.op()) == 0; }

// Into the values that the elements were taken from; the buffers stay where they are.
void take(const Case& c, const Reference& reference, CopyOfOp& copy, std::vector<Value>& values) {
  const bool exact = is_exact(c, reference);
  for (size_t i = 0; i < values.size(); ++i) {
    const Dtype dtype = c.operands()[i].tensor.view().dtype;
    auto& now = values[i].elements;
    now = std::move(copy.values()[i]);
    if (exact) now = decode(encode(now, dtype), dtype);
  }
}

}  // namespace

std::vector<Value> reference_values(const Case& c, const Reference& reference,
                                    std::vector<Value> all) {
  CopyOfOp copy(c.info(), c.op(), elements_of(all));
  reference.run(copy.op());
  take(c, reference, copy, all);
  return all;
}

ReferenceRun reference_run(const Case& c, const Reference& reference, std::vector<Value> all) {
  CopyOfOp copy(c.info(), c.op(), elements_of(all));
  reference.run(copy.op());
  take(c, reference, copy, all);
  ReferenceRun run{std::move(all), Vectors(c.operands().size())};
  if (is_exact(c, reference) || !reference.terms) return run;
  for (size_t i = 0; i < run.values.size(); ++i) {
    const auto& operand = c.operands()[i];
    const int64_t size = int64_t(run.values[i].elements.size());
    if (operand.role & kOut) run.terms[i] = reference.terms(copy.op(), operand.name, size);
  }
  return run;
}

std::string changed_input(const Case& c, const std::vector<Bytes>& before,
                          const std::vector<Bytes>& after) {
  for (size_t i = 0; i < before.size(); ++i)
    if (!(c.operands()[i].role & kOut) && before[i] != after[i])
      return c.operands()[i].name + " was changed";
  return "";
}

}  // namespace orthokit::bench
