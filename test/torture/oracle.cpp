#include "oracle.h"

namespace orthokit::torture {
namespace {

std::string text_of(double x) {
  char digits[40];
  std::snprintf(digits, sizeof digits, "%.17g", x);
  return digits;
}

}  // namespace

const bench::Reference& reference_of(const OpInfo& op) {
  const bench::Reference* reference = bench::find_reference(op);
  if (!reference) throw Error(ErrorCode::kState, std::string(op.name) + " has no reference");
  return *reference;
}

Oracle::Oracle(const Case& c, const std::vector<Bytes>& before, Report& report)
    : case_(c),
      before_(before),
      inputs_(bench::joined_values(c, before)),
      bounds_(c, reference_of(c.info()), inputs_),
      report_(report) {}

std::string Oracle::words_of(const bench::Verdict& verdict) const {
  report_.count("elements", verdict.elements);
  report_.count("waived", verdict.waived);
  report_.count("wide", verdict.wide);
  if (verdict.passed) return "";
  std::string of;  // what stood at the same place
  const size_t j = verdict.element;
  for (size_t k = 0; k < inputs_.size(); ++k)
    if (j < inputs_[k].elements.size())
      of += " " + case_.operands()[k].name + " " + text_of(inputs_[k].elements[j]);
  return verdict.tensor + " element " + std::to_string(j) + ": expected " +
         text_of(verdict.expected) + ", got " + text_of(verdict.actual) + ", allowed " +
         text_of(verdict.limit) + ", from" + of;
}

std::string Oracle::judge(const std::vector<Bytes>& after) const {
  if (auto name = bench::changed_input(case_, before_, after); !name.empty()) return name;
  return words_of(bounds_.judge(bench::joined_values(case_, after)));
}

std::string Oracle::judge(const std::vector<Bytes>& one, const std::vector<Bytes>& other) const {
  return words_of(
      bounds_.judge(bench::joined_values(case_, one), bench::joined_values(case_, other)));
}

}  // namespace orthokit::torture
