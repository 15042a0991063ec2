// From an instruction's name to the function that carries it out. Each family of instructions has a
// list of its own.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "ptx/program.h"

namespace cudaemu::ptx {

// "setp.lt.and.f32": the operation, and the words behind it that nobody has taken yet.
class Words {
 public:
  explicit Words(std::string_view name);
  std::string_view operation() const { return operation_; }
  bool take(std::string_view word);
  Type take_type();  // the first that is left; kNone: there is none
  Space take_space();
  // The position of the one that is there in `known`; -1: none is.
  int take_one_of(std::span<const std::string_view> known);
  void drop(std::initializer_list<std::string_view> words);  // those that change nothing here
  const std::vector<std::string_view>& left() const { return words_; }

 private:
  std::string_view operation_;
  std::vector<std::string_view> words_;
};

struct Builder {
  std::string_view operation;
  void (*build)(Words&, Instruction&);
};
std::span<const Builder> arithmetic_builders();
std::span<const Builder> function_builders();
std::span<const Builder> logic_builders();
std::span<const Builder> compare_builders();
std::span<const Builder> convert_builders();
std::span<const Builder> memory_builders();
std::span<const Builder> together_builders();
std::span<const Builder> matrix_builders();

// Of every family; throws Unsupported. `instruction` has its line and place already.
void build_instruction(std::string_view name, Instruction&);
[[noreturn]] void unsupported(const std::string& what);

Rounding take_rounding(Words&);

// Calls f with a value of the integer type.
template <class F>
auto with_integer(Type type, F f) {
  switch (type) {
    case Type::kU8:
    case Type::kB8:
      return f(uint8_t());
    case Type::kS8:
      return f(int8_t());
    case Type::kU16:
    case Type::kB16:
      return f(uint16_t());
    case Type::kS16:
      return f(int16_t());
    case Type::kU32:
    case Type::kB32:
      return f(uint32_t());
    case Type::kS32:
      return f(int32_t());
    case Type::kU64:
    case Type::kB64:
      return f(uint64_t());
    case Type::kS64:
      return f(int64_t());
    default:
      unsupported("this type");
  }
}

}  // namespace cudaemu::ptx
