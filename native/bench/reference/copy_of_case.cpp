#include "bench/reference/copy_of_case.h"

namespace orthokit::bench {
namespace {

struct Redirect final : Fields {  // meets the tensors in the order in which the reader made them
  std::vector<double>* next;
  void one(View& v) {
    if (v) v.data = (next++)->data();
  }
  void tensor(const char*, int, View& v) override { one(v); }
  void tensors(const char*, int, List<View>& list) override {
    for (auto& v : list) one(v);
  }
  void factor(const char*, Factor& f) override { one(f.by); }
  void factors(const char*, List<Factor>& list) override {
    for (auto& f : list) one(f.by);
  }
};

}  // namespace

CopyOfCase::CopyOfCase(const Case& original, std::vector<std::vector<double>> values)
    : packed_(pack(original.info(), original.op())), values_(std::move(values)) {
  for (auto& v : values_) v.reserve(1);  // a tensor without elements is there all the same
  Redirect redirect;
  redirect.next = values_.data();
  original.info().fields(packed_.data.get(), redirect);
}

}  // namespace orthokit::bench
