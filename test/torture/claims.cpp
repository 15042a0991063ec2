// R9: each op with each dtype and each rank of each operand is right, or throws a coded error at the
// call and leaves every operand as it was.
#include <algorithm>
#include <set>

#include "commands.h"
#include "oracle.h"
#include "program.h"

namespace orthokit::torture {
namespace {

constexpr int kDtypes = 6, kMostRank = 4;

// Small sizes, all different, so that a size in the wrong place does not fit by luck.
std::map<int64_t, int64_t> smaller(const Example& example) {
  constexpr int64_t sizes[] = {5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
  std::map<int64_t, int64_t> with;
  size_t next = 0;
  for (auto size : example.sizes())
    if (size > 4) with[size] = sizes[next++ % std::size(sizes)];
  return with;
}

// As many elements where that can be, in so many axes.
std::vector<int64_t> of_rank(std::vector<int64_t> shape, size_t rank) {
  while (shape.size() > rank && rank > 0) {
    shape[shape.size() - 2] *= shape.back();
    shape.pop_back();
  }
  if (rank == 0) shape.clear();
  while (shape.size() < rank) shape.insert(shape.begin(), 1);
  return shape;
}

void try_case(const OpEntry& entry, const std::string& flags, Device& device, Report& report) {
  constexpr ErrorCode expected[] = {ErrorCode::kShape, ErrorCode::kDtype, ErrorCode::kArgument,
                                    ErrorCode::kUnsupported};
  const auto c = bench::make_case(entry, device, flags);
  Dice dice(1);
  for (auto& o : c->operands())
    device.write(o.tensor, random_values(dice, o.name, o.tensor).data());
  const auto before = c->read();
  const auto wrong = [&](const std::string& what) {
    report.fail(1, entry.info->name, flags, what);
  };
  try {
    c->run();
  } catch (const Error& e) {
    report.count("refused");
    const std::string prefix = api_name(*entry.info) + ": ";
    if (std::ranges::find(expected, e.code) == std::end(expected))
      wrong(std::string("refused with ") + kErrorNames[int(e.code)] + ": " + e.message);
    if (!e.message.starts_with(prefix)) wrong("the message does not name the op: " + e.message);
    if (c->read() != before) wrong("refused, and yet an operand was changed");
    return;
  }
  std::vector<Bytes> after;
  if (caught([&] { after = c->read(); },
             [&](ErrorCode, const char* what, int32_t) {
               wrong(std::string("accepted, and failed later: ") + what);
             }))
    return;
  report.count("accepted");
  if (auto reason = Oracle(*c, before, report).judge(after); !reason.empty()) wrong(reason);
}

std::set<std::string> claims_of(const OpInfo& op) {
  std::set<std::string> all;
  for (auto text : op.examples) {
    Example example = exact(text);
    example.replace_sizes(smaller(example));
    all.insert(example.flags());
    for (int from = 0; from < kDtypes; ++from)
      for (int to = 0; to < kDtypes; ++to) {
        Example changed = example;
        changed.replace_dtype(Dtype(from), Dtype(to));
        all.insert(changed.flags());
      }
    for (size_t rank = 0; rank <= kMostRank; ++rank) {
      Example all_of_rank = example;
      for (auto& field : all_of_rank.fields)
        for (auto& item : field.items)
          if (item.is_tensor()) item.shape = of_rank(item.shape, rank);
      all.insert(all_of_rank.flags());
    }
    for (size_t f = 0; f < example.fields.size(); ++f) {
      if (!example.fields[f].items[0].is_tensor()) continue;
      for (int dtype = 0; dtype < kDtypes; ++dtype)
        for (size_t rank = 0; rank <= kMostRank + 1; ++rank) {
          Example changed = example;
          for (auto& item : changed.fields[f].items) {
            if (!item.is_tensor()) continue;
            item.dtype = dtype;
            if (rank <= kMostRank) item.shape = of_rank(item.shape, rank);
          }
          all.insert(changed.flags());
        }
    }
  }
  return all;
}

}  // namespace

void check_claims(Report& report) {
  const auto device = Device::open("cpu", 2);
  for (auto& entry : registry().ops) {
    report.count("ops");
    for (auto& flags : claims_of(*entry->info)) {
      if (report.is_full()) return;
      report.count("claims");
      try_case(*entry, flags, *device, report);
    }
  }
}

}  // namespace orthokit::torture
