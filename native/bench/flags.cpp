#include "bench/flags.h"

#include <algorithm>
#include <charconv>

#include "bench/values.h"

namespace orthokit::bench {
namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& what, const std::string& got) {
  throw Error(ErrorCode::kArgument, name + " " + what + ", got " + (got.empty() ? "nothing" : got));
}

template <class T>
bool is_whole(const std::string& text, T& value) {
  const char *begin = text.data(), *end = begin + text.size();
  const auto [stopped, error] = std::from_chars(begin, end, value);
  return !text.empty() && error == std::errc() && stopped == end;
}

Shape shape_from(const std::string& name, const std::string& text) {
  Shape shape;
  if (text.empty()) return shape;  // f32[]: rank 0
  for (auto& side : split(text, 'x')) shape.push_back(integer_from(name, side));
  return shape;
}

// "f32[3]*2,f32[4]" as "f32[3],f32[3],f32[4]".
std::string repeated(const std::string& name, const std::string& text) {
  std::string all;
  for (auto& part : split(text, ',')) {
    const auto star = part.find('*');
    const int64_t times = star == part.npos ? 1 : integer_from(name, part.substr(star + 1));
    if (times < 1 || times > 10000) refuse(name, "must be repeated 1 to 10000 times", part);
    for (int64_t i = 0; i < times; ++i) all += (all.empty() ? "" : ",") + part.substr(0, star);
  }
  return all;
}

}  // namespace

double number_from(const std::string& name, const std::string& text) {
  double value = 0;
  if (!is_whole(text, value)) refuse(name, "must be a number", text);
  return value;
}

int64_t integer_from(const std::string& name, const std::string& text) {
  int64_t value = 0;
  if (!is_whole(text, value)) refuse(name, "must be a whole number below 2^63", text);
  return value;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts(1);
  for (char c : text)
    if (c == at)
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

FlagReader::FlagReader(Device& device, const std::string& flags, int64_t offset)
    : device_(device), offset_(offset) {
  for (auto& word : split(flags, ' ')) {
    if (word.empty()) continue;
    const auto equals = word.find('=');
    if (equals == word.npos || equals == 0) refuse("a word", "must look like field=value", word);
    const std::string name = word.substr(0, equals), value = word.substr(equals + 1);
    if (value.empty()) refuse(name, "must have a value", value);
    if (!flags_.emplace(name, value).second) refuse(name, "must be given once", word);
  }
}

void FlagReader::done() const {
  if (!flags_.empty())
    throw Error(ErrorCode::kArgument, flags_.begin()->first + " is not a field, see --describe");
}

bool FlagReader::take(const char* name, std::string& text) {
  auto node = flags_.extract(name);
  if (!node) return false;
  text = std::move(node.mapped());
  return true;
}

View FlagReader::tensor_from(const std::string& name, int64_t index, int role,
                             const std::string& text) {
  const auto bracket = text.find('[');
  const auto is_word = [&](const char* word) { return text.substr(0, bracket) == word; };
  const auto dtype = std::ranges::find_if(kDtypeNames, is_word);
  if (bracket == text.npos || !text.ends_with(']') || dtype == std::end(kDtypeNames))
    refuse(name, "must look like f32[4x3]", text);
  const Shape shape = shape_from(name, text.substr(bracket + 1, text.size() - bracket - 2));
  const int64_t size = view_of(nullptr, shape, Dtype::kF32, 0).size(), end = offset_ + size;
  Tensor block, tensor;
  if (offset_ == 0) {
    block = tensor = device_.empty(shape, Dtype(dtype - kDtypeNames));
  } else {
    block = device_.empty({end + offset_}, Dtype(dtype - kDtypeNames));
    device_.write(block, std::vector<std::byte>(block.bytes(), kUnused).data());
    tensor = block.rows(offset_, end).reshaped(shape);
  }
  const auto values = seeded_values(name, index, role, tensor);
  device_.write(tensor, encode(values, tensor.view().dtype).data());
  operands.push_back({name, index, role, tensor, block});
  return tensor;
}

Factor FlagReader::factor_from(const char* name, int64_t index, const std::string& text) {
  const auto star = text.find('*');
  const double value = number_from(name, text.substr(0, star));
  if (star == text.npos) return Factor(value);
  return Factor(value, tensor_from(name, index, kIn, text.substr(star + 1)));
}

template <class T, class Read>
void FlagReader::read_list(const char* name, List<T>& x, std::deque<std::vector<T>>& lists,
                           Read&& read) {
  std::string text;
  if (!take(name, text)) return;
  auto& items = lists.emplace_back();
  for (auto& part : split(text, ',')) items.push_back(read(int64_t(items.size()), part));
  x = {items.data(), int64_t(items.size())};
}

void FlagReader::tensor(const char* name, int role, View& x) {
  if (std::string text; take(name, text)) x = tensor_from(name, 0, role, text);
}
void FlagReader::tensors(const char* name, int role, List<View>& x) {
  if (auto at = flags_.find(name); at != flags_.end()) at->second = repeated(name, at->second);
  read_list(name, x, views_,
            [&](int64_t i, auto& text) { return tensor_from(name, i, role, text); });
}
void FlagReader::number(const char* name, double& x) {
  if (std::string text; take(name, text)) x = number_from(name, text);
}
void FlagReader::integer(const char* name, int64_t& x) {
  if (std::string text; take(name, text)) x = integer_from(name, text);
}
void FlagReader::numbers(const char* name, List<double>& x) {
  read_list(name, x, numbers_, [&](int64_t, auto& text) { return number_from(name, text); });
}
void FlagReader::factor(const char* name, Factor& x) {
  if (std::string text; take(name, text)) x = factor_from(name, 0, text);
}
void FlagReader::factors(const char* name, List<Factor>& x) {
  read_list(name, x, factors_, [&](int64_t i, auto& text) { return factor_from(name, i, text); });
}
void FlagReader::choice(const char* name, int32_t& x, Words words) {
  std::string text;
  if (!take(name, text)) return;
  const auto at = std::ranges::find_if(words, [&](const char* word) { return text == word; });
  if (at == words.end()) {
    std::string all;
    for (auto w : words) all += (all.empty() ? "" : " ") + std::string(w);
    refuse(name, "must be one of " + all, text);
  }
  x = int32_t(at - words.begin());
}

}  // namespace orthokit::bench
