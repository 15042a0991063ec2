#include "example.h"

#include <algorithm>
#include <set>

#include "bench/flags.h"

namespace orthokit::torture {

using bench::split;

Example::Example(const std::string& flags) {
  for (auto& word : split(flags, ' ')) {
    if (word.empty()) continue;
    const auto equals = word.find('=');
    Field field{word.substr(0, equals), {}};
    for (auto& text : split(word.substr(equals + 1), ',')) {
      const auto bracket = text.find('[');
      Item item;
      if (bracket == text.npos) {
        item.number = text;
      } else {
        const auto star = text.find('*');
        const size_t begin = star == text.npos ? 0 : star + 1;
        item.number = text.substr(0, begin);
        const std::string name = text.substr(begin, bracket - begin);
        const auto at = std::ranges::find_if(kDtypeNames, [&](auto* n) { return name == n; });
        item.dtype = int(at - kDtypeNames);
        const auto sizes = text.substr(bracket + 1, text.size() - bracket - 2);
        if (!sizes.empty())
          for (auto& size : split(sizes, 'x'))
            item.shape.push_back(bench::integer_from(field.name, size));
      }
      field.items.push_back(std::move(item));
    }
    fields.push_back(std::move(field));
  }
}

std::string Example::flags() const {
  std::string all;
  for (auto& field : fields) {
    all += (all.empty() ? "" : " ") + field.name + "=";
    for (size_t i = 0; i < field.items.size(); ++i) {
      const Item& item = field.items[i];
      all += (i ? "," : "") + item.number;
      if (!item.is_tensor()) continue;
      all += std::string(kDtypeNames[item.dtype]) + "[";
      for (size_t j = 0; j < item.shape.size(); ++j)
        all += (j ? "x" : "") + std::to_string(item.shape[j]);
      all += "]";
    }
  }
  return all;
}

int64_t Example::elements() const {
  int64_t sum = 0;
  for (auto& field : fields)
    for (auto& item : field.items) {
      if (!item.is_tensor()) continue;
      int64_t n = 1;
      for (auto size : item.shape) n *= size;
      sum += n;
    }
  return sum;
}

std::vector<int64_t> Example::sizes() const {
  std::set<int64_t> all;
  for (auto& field : fields)
    for (auto& item : field.items) all.insert(item.shape.begin(), item.shape.end());
  return {all.begin(), all.end()};
}

void Example::replace_sizes(const std::map<int64_t, int64_t>& with) {
  for (auto& field : fields)
    for (auto& item : field.items)
      for (auto& size : item.shape)
        if (auto at = with.find(size); at != with.end()) size = at->second;
}

void Example::replace_dtype(Dtype from, Dtype to) {
  for (auto& field : fields)
    for (auto& item : field.items)
      if (item.dtype == int(from)) item.dtype = int(to);
}

std::map<std::string, Words> choices_of(const OpInfo& op) {
  struct Choices final : Fields {
    std::map<std::string, Words> all;
    void choice(const char* name, int32_t&, Words words) override { all.emplace(name, words); }
  } choices;
  std::vector<std::byte> storage(op.bytes);
  op.construct(storage.data());
  op.fields(storage.data(), choices);
  return choices.all;
}

}  // namespace orthokit::torture
