#include "ptx/build.h"

#include <algorithm>
#include <map>

namespace cudaemu::ptx {

Words::Words(std::string_view name) {
  for (size_t at = 0; at <= name.size();) {
    const size_t dot = std::min(name.find('.', at), name.size());
    words_.push_back(name.substr(at, dot - at));
    at = dot + 1;
  }
  operation_ = words_.front();
  words_.erase(words_.begin());
}

bool Words::take(std::string_view word) {
  const auto found = std::ranges::find(words_, word);
  if (found == words_.end()) return false;
  words_.erase(found);
  return true;
}

Type Words::take_type() {
  for (const auto word : words_)
    if (const Type type = type_named(word); type != Type::kNone) {
      take(word);
      return type;
    }
  return Type::kNone;
}

int Words::take_one_of(std::span<const std::string_view> known) {
  for (size_t i = 0; i < known.size(); ++i)
    if (take(known[i])) return int(i);
  return -1;
}

Space Words::take_space() {
  if (take("global")) return Space::kGlobal;
  if (take("shared") || take("shared::cta")) return Space::kShared;
  if (take("local")) return Space::kLocal;
  if (take("param")) return Space::kParameter;
  if (take("const")) return Space::kConstant;
  return Space::kGeneric;
}

void Words::drop(std::initializer_list<std::string_view> words) {
  for (const auto word : words) take(word);
}

void unsupported(const std::string& what) { throw Unsupported(what + " is not supported"); }

Rounding take_rounding(Words& words) {
  words.take("rn");
  if (words.take("rz")) return Rounding::kZero;
  if (words.take("rm")) return Rounding::kDown;
  if (words.take("rp")) return Rounding::kUp;
  return Rounding::kNearest;
}

void build_instruction(std::string_view name, Instruction& instruction) {
  static const auto& builders = *[] {
    auto* all = new std::map<std::string_view, decltype(Builder::build)>;
    for (const auto& list :
         {arithmetic_builders(), function_builders(), logic_builders(), compare_builders(),
          convert_builders(), memory_builders(), together_builders(), matrix_builders()})
      for (const Builder& builder : list) all->emplace(builder.operation, builder.build);
    return all;
  }();
  Words words(name);
  const auto found = builders.find(words.operation());
  if (found == builders.end()) unsupported(std::string(name));
  try {
    found->second(words, instruction);
  } catch (const Unsupported& reason) {
    throw Unsupported(std::string(name) + ": " + reason.what());
  }
  if (!words.left().empty())
    unsupported("." + std::string(words.left().front()) + " in " + std::string(name));
}

}  // namespace cudaemu::ptx
