// The harness's words as the fields of an operation:
//   x=f32[597x43],f32[1]  alpha=2  trans=transposed  coefficients=1,2*f64[1]
#pragma once
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/device.h"

namespace orthokit::bench {

struct Operand {
  std::string name;
  int64_t index;  // position in its list
  int role;
  Tensor tensor;
  Tensor block;  // that the tensor is a part of, with an offset's elements on either side
};

inline constexpr std::byte kUnused{0xa5};  // around operands that are parts of their blocks

// Throw ERR_ARGUMENT unless the whole text is one number.
double number_from(const std::string& name, const std::string& text);
int64_t integer_from(const std::string& name, const std::string& text);

std::vector<std::string> split(const std::string& text, char at);

// Makes the tensors that the words describe, with seeded values. Owns the lists of the op that it
// has filled.
class FlagReader final : public Fields {
 public:
  // Operands begin so many elements behind where their blocks do.
  FlagReader(Device& device, const std::string& flags, int64_t offset = 0);
  std::vector<Operand> operands;
  void done() const;  // throws if a word was no field

 private:
  bool take(const char* name, std::string& text);
  View tensor_from(const std::string& name, int64_t index, int role, const std::string& text);
  Factor factor_from(const char* name, int64_t index, const std::string& text);
  template <class T, class Read>
  void read_list(const char* name, List<T>& x, std::deque<std::vector<T>>& lists, Read&& read);

  void tensor(const char* name, int role, View& x) override;
  void tensors(const char* name, int role, List<View>& x) override;
  void number(const char* name, double& x) override;
  void integer(const char* name, int64_t& x) override;
  void numbers(const char* name, List<double>& x) override;
  void factor(const char* name, Factor& x) override;
  void factors(const char* name, List<Factor>& x) override;
  void choice(const char* name, int32_t& x, Words words) override;

  Device& device_;
  int64_t offset_;
  std::map<std::string, std::string> flags_;
  std::deque<std::vector<View>> views_;
  std::deque<std::vector<double>> numbers_;
  std::deque<std::vector<Factor>> factors_;
};

}  // namespace orthokit::bench
