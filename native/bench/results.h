// A case's results as numbers, and those of its reference.
#pragma once
#include "bench/case.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {

double unit_of(Dtype);  // half the distance of neighbours, relative; 0: exact
// f64 where every floating operand is, else f32.
double arithmetic_unit(const Case&);

struct Value {  // of one operand
  std::vector<double> elements;
  double unit;
};
// Weights whose low 16 bits lie apart, in masters of bf16, are joined.
std::vector<Value> joined_values(const Case&, const std::vector<Bytes>& data);

struct ReferenceRun {
  std::vector<Value> values;               // rounded to the tensors' dtypes where the op is exact
  std::vector<std::vector<double>> terms;  // of each element; empty where the reference names none
};
ReferenceRun reference_run(const Case&, const Reference&, std::vector<Value> before);

// The name of an input that is not what it was, or empty.
std::string changed_input(const Case&, const std::vector<Bytes>& before,
                          const std::vector<Bytes>& after);

}  // namespace orthokit::bench
