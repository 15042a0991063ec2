#include "bench/demands.h"

#include <cstdio>
#include <cstring>

#include "bench/case.h"
#include "bench/commands.h"
#include "bench/json.h"
#include "bench/reference/reference.h"

namespace orthokit::bench {

namespace {

// Changes one field of an op: the number `wanted` of all changes that there are. An operand that
// may be left out goes, a word becomes another one.
class Change final : public Fields {
 public:
  explicit Change(int wanted) : wanted_(wanted) {}
  bool is_made() const { return count_ > wanted_; }

 private:
  bool is_next() { return count_++ == wanted_; }
  void tensor(const char*, int role, View& x) override {
    if ((role & kOptional) && x && is_next()) x = {};
  }
  void tensors(const char*, int role, List<View>& x) override {
    if ((role & kOptional) && x.count > 0 && is_next()) x = {};
  }
  void choice(const char*, int32_t& index, Words words) override {
    const int32_t own = index;
    for (int32_t i = 0; i < int32_t(words.size()); ++i)
      if (i != own && is_next()) index = i;
  }

  int wanted_, count_ = 0;
};

// Demands of the checks of an example, then of its variants, until one of them is not met.
void note_demands(const Reference& reference, Case& example, std::vector<Demand>& demands) {
  const OpInfo& info = *reference.op;
  reference.check(example.op(), Noted(demands));
  std::vector<std::byte> op(info.bytes);
  for (int i = 0;; ++i) {
    std::memcpy(op.data(), example.op(), info.bytes);
    Change change(i);
    info.fields(op.data(), change);
    if (!change.is_made()) return;
    try {
      reference.check(op.data(), Noted(demands));
    } catch (const Error&) {  // a variant need not be a good one
    }
  }
}

std::string line_of(const OpInfo& op, const std::vector<Demand>& demands) {
  std::string list;
  for (auto& [code, words] : demands)
    list += (list.empty() ? "" : ",") +
            JsonLine().text("code", kErrorNames[int(code)]).text("words", words).str();
  return JsonLine().text("name", op.name).raw("demands", "[" + list + "]").str();
}

}  // namespace

int demands() {
  const auto device = Device::open("cpu", 1);
  for (auto& entry : registry().ops) {
    const Reference* reference = find_reference(*entry->info);
    if (!reference)
      throw Error(ErrorCode::kState, std::string(entry->info->name) + " has no reference");
    std::vector<Demand> all;
    for (Words calls : {entry->info->examples, reference->checked})
      for (const char* flags : calls)
        note_demands(*reference, *make_case(*entry, *device, flags), all);
    std::printf("%s\n", line_of(*entry->info, all).c_str());
  }
  return 0;
}

}  // namespace orthokit::bench
