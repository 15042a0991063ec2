// An op's example, taken as a template: its sizes, dtypes and words may be replaced by others.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/op.h"

namespace orthokit::torture {

struct Item {
  std::string number;  // of what is no tensor, or in front of one: "0.5", "2*", "rows"
  int dtype = -1;      // of a tensor; -1: none
  std::vector<int64_t> shape;
  bool is_tensor() const { return dtype >= 0; }
};

struct Field {
  std::string name;
  std::vector<Item> items;
};

struct Example {
  std::vector<Field> fields;

  explicit Example(const std::string& flags);
  std::string flags() const;
  int64_t elements() const;            // of all tensors
  std::vector<int64_t> sizes() const;  // each once
  // Equal sizes stay equal.
  void replace_sizes(const std::map<int64_t, int64_t>&);
  void replace_dtype(Dtype from, Dtype to);
};

// The words of each field that takes one of several.
std::map<std::string, Words> choices_of(const OpInfo&);

}  // namespace orthokit::torture
