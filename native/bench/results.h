// A case's results as numbers, and those of its reference.
#pragma once
#include "bench/case.h"
#include "bench/reference/operands.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {

// f64 where every floating operand is, else f32.
Dtype arithmetic_dtype(const Case&);
double arithmetic_unit(const Case&);

std::vector<Value> joined_values(const Case&, const std::vector<Bytes>& data);

struct ReferenceRun {
  std::vector<Value> values;               // rounded to the tensors' dtypes where the op is exact
  std::vector<std::vector<double>> terms;  // of each element; empty where the reference names none
};
ReferenceRun reference_run(const Case&, const Reference&, std::vector<Value> before);
std::vector<Value> reference_values(const Case&, const Reference&, std::vector<Value> before);

// The name of an input that is not what it was, or empty.
std::string changed_input(const Case&, const std::vector<Bytes>& before,
                          const std::vector<Bytes>& after);

}  // namespace orthokit::bench
