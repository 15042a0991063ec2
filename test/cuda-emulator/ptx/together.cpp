// Operations of a warp's lanes together, branches and barriers.
#include <algorithm>

#include "ptx/build.h"
#include "ptx/machine.h"

namespace cudaemu::ptx {
namespace {

constexpr std::string_view kShuffles[] = {"up", "down", "bfly", "idx"};

void shuffle(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *by = w.at(i.b.reg), *clamp = w.at(i.c.reg);
  uint64_t values[32], in_range[32];
  each(lanes, [&](int l) {
    const unsigned n = by[l] & 31, bound = clamp[l] & 31, segment = clamp[l] >> 8 & 31;
    const auto own = unsigned(l), first = own & segment, last = first | (bound & ~segment & 31);
    unsigned from = own;
    bool inside = false;
    switch (i.mode) {
      case 0:
        inside = int(own) - int(n) >= int(last);
        from = own - n;
        break;
      case 1:
        inside = (from = own + n) <= last;
        break;
      case 2:
        inside = (from = own ^ n) <= last;
        break;
      default:
        inside = (from = first | (n & ~segment & 31)) <= last;
    }
    if (!inside) from = own;
    if (!(lanes >> from & 1))
      w.fault(i, l, cudaErrorLaunchFailure,
              "shuffle reads lane " + std::to_string(from) + ", which does not take part");
    values[l] = a[from];
    in_range[l] = inside;
  });
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = values[l]; });
  if (i.d.second < 0) return;
  uint64_t* p = w.at(i.d.second);
  each(lanes, [&](int l) { p[l] = in_range[l]; });
}
void build_shuffle(Words& words, Instruction& i) {
  if (!words.take("sync")) unsupported("a shuffle without .sync");
  if ((i.mode = words.take_one_of(kShuffles)) < 0) unsupported("this shuffle");
  i.type = words.take_type();
  i.control = Control::kWarp;
  i.mask_at = 4;
  i.cost.shuffles = 1;
  i.run = shuffle;
}

constexpr std::string_view kVotes[] = {"all", "any", "uni", "ballot"};
void vote(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  Lanes yes = 0;
  each(lanes, [&](int l) { yes |= Lanes((a[l] != 0) != i.a.negated) << l; });
  const uint64_t results[] = {yes == lanes, yes != 0, yes == 0 || yes == lanes, yes};
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = results[i.mode]; });
}
void build_vote(Words& words, Instruction& i) {
  if (!words.take("sync")) unsupported("a vote without .sync");
  if ((i.mode = words.take_one_of(kVotes)) < 0) unsupported("this vote");
  i.type = words.take_type();
  i.control = Control::kWarp;
  i.mask_at = 2;
  i.run = vote;
}

constexpr std::string_view kReductions[] = {"add", "min", "max", "and", "or", "xor"};
template <class T>
void reduce(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  T all = T(a[std::countr_zero(lanes)]);
  each(lanes & (lanes - 1), [&](int l) {
    const T v = T(a[l]);
    const T results[] = {T(uint32_t(all) + uint32_t(v)),
                         std::min(all, v),
                         std::max(all, v),
                         T(all & v),
                         T(all | v),
                         T(all ^ v)};
    all = results[i.mode];
  });
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = bits_of(all); });
}
void build_reduce(Words& words, Instruction& i) {
  words.take("sync");
  if ((i.mode = words.take_one_of(kReductions)) < 0) unsupported("this reduction");
  i.type = words.take_type();
  i.control = Control::kWarp;
  i.mask_at = 2;
  i.run = i.type == Type::kS32 ? reduce<int32_t> : reduce<uint32_t>;
}

void match(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t results[32];
  each(lanes, [&](int l) {
    results[l] = 0;
    each(lanes, [&](int other) { results[l] |= uint64_t(a[l] == a[other]) << other; });
  });
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = results[l]; });
}
void build_match(Words& words, Instruction& i) {
  words.drop({"any", "sync"});
  i.type = words.take_type();
  i.control = Control::kWarp;
  i.mask_at = 2;
  i.run = match;
}

void active_lanes(Warp& w, const Instruction& i, Lanes lanes) {
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = lanes; });
}
void build_active_lanes(Words& words, Instruction& i) {
  i.type = words.take_type();
  i.run = active_lanes;
}

void nothing(Warp&, const Instruction&, Lanes) {}

constexpr std::string_view kBarrierVotes[] = {"or", "and", "popc"};
void build_barrier(Words& words, Instruction& i) {
  words.drop({"cta", "aligned"});
  i.result_at = 1;
  i.run = nothing;
  if (words.take("warp")) {
    words.take("sync");
    i.control = Control::kWarp;
    i.mask_at = 1;
    return;
  }
  i.control = Control::kBarrier;
  if (words.take("red")) {
    i.result_at = 0;
    i.mode = words.take_one_of(kBarrierVotes) + 1;
    i.type = words.take_type();
  } else if (!words.take("sync")) {
    unsupported("a barrier that does not wait");
  }
}

template <Control kControl>
void build_control(Words& words, Instruction& i) {
  words.drop({"uni", "idx"});
  i.control = kControl;
  i.result_at = 1;
  i.run = nothing;
}

constexpr Builder kBuilders[] = {
    {"shfl", build_shuffle},
    {"vote", build_vote},
    {"redux", build_reduce},
    {"match", build_match},
    {"activemask", build_active_lanes},
    {"bar", build_barrier},
    {"barrier", build_barrier},
    {"bra", build_control<Control::kBranch>},
    {"brx", build_control<Control::kTable>},
    {"ret", build_control<Control::kReturn>},
    {"exit", build_control<Control::kReturn>},
    {"trap", build_control<Control::kTrap>},
};

}  // namespace

std::span<const Builder> together_builders() { return kBuilders; }

}  // namespace cudaemu::ptx
