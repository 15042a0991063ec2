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

ReferenceRun reference_run(const Case& c, const Reference& reference, std::vector<Value> all) {
  const bool exact = reference.growth(c.op()) == 0;
  std::vector<std::vector<double>> elements;
  for (auto& v : all) elements.push_back(std::move(v.elements));
  CopyOfOp copy(c.info(), c.op(), std::move(elements));
  reference.run(copy.op());
  ReferenceRun run{std::move(all), {}};
  for (size_t i = 0; i < run.values.size(); ++i) {
    const auto& operand = c.operands()[i];
    const Dtype dtype = operand.tensor.view().dtype;
    auto& now = run.values[i].elements;
    now = std::move(copy.values()[i]);  // the buffers stay where they are
    auto& terms = run.terms.emplace_back();
    if (exact) now = decode(encode(now, dtype), dtype);
    if (exact || !reference.terms || !(operand.role & kOut)) continue;
    terms = reference.terms(copy.op(), operand.name, int64_t(now.size()));
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
