// The loop over a warp's instructions. Lanes that went different ways are splits; the one at the
// earliest instruction runs, so that they meet again where the code joins.
#include <algorithm>

#include "ptx/machine.h"

namespace cudaemu::ptx {

Warp::Warp(Machine& m, unsigned number)
    : machine(m),
      first(number * 32),
      registers_(size_t(m.kernel->registers) * 32, 0xdeadbeefdeadbeefu),
      local_(32 * m.kernel->local_bytes) {
  const auto fill = [this](int reg, uint64_t value) { std::fill_n(at(reg), 32, value); };
  for (const auto& [value, reg] : m.kernel->constants) fill(reg, value);
  for (const auto& [offset, reg] : m.kernel->dynamic_shared)
    fill(reg, m.kernel->dynamic_offset() + offset);
}

void Warp::set_special(Special special, uint64_t* values) const {
  const Block& block = *machine.block;
  const auto threads = block.threads.size();
  for (unsigned lane = 0; lane < 32 && first + lane < threads; ++lane) {
    const BlockThread& t = block.threads[first + lane];
    const uint64_t below = (uint64_t(1) << lane) - 1, own = uint64_t(1) << lane;
    const uint64_t all[] = {t.thread_index.x,
                            t.thread_index.y,
                            t.thread_index.z,
                            t.block_size.x,
                            t.block_size.y,
                            t.block_size.z,
                            t.block_index.x,
                            t.block_index.y,
                            t.block_index.z,
                            t.grid_size.x,
                            t.grid_size.y,
                            t.grid_size.z,
                            lane,
                            t.warp,
                            below,
                            below | own,
                            own,
                            0xffffffffu & ~(below | own),
                            0xffffffffu & ~below,
                            machine.shape->shared};
    values[lane] = all[size_t(special)];
  }
}

void Warp::start() {
  for (const auto& [special, reg] : machine.kernel->specials) set_special(special, at(reg));
  std::ranges::fill(local_, char(0xff));
  const size_t threads = std::min<size_t>(machine.block->threads.size() - first, 32);
  exists = threads == 32 ? ~0u : (1u << threads) - 1;
  exited = 0;
  splits.assign(1, {0, exists, Split::kRuns});
}

void Warp::fault(const Instruction& i, int lane, cudaError_t code, const std::string& what) {
  current = &thread(lane);
  fatal_finding(code, "%s, at %s", what.c_str(), machine.kernel->place(i).c_str());
}

bool Warp::run() {
  for (;;) {
    size_t earliest = splits.size();
    for (size_t i = 0; i < splits.size(); ++i)
      if (splits[i].state == Split::kRuns &&
          (earliest == splits.size() || splits[i].at < splits[earliest].at))
        earliest = i;
    if (earliest < splits.size()) {
      run_split(earliest);
      continue;
    }
    for (const Split& s : splits)
      if (s.state == Split::kWaits)
        fault(machine.kernel->code[size_t(s.at)], std::countr_zero(s.lanes), cudaErrorLaunchTimeout,
              "deadlock: a warp operation that other lanes never reach");
    return !splits.empty();
  }
}

// The lanes that a lane's operation names.
Lanes Warp::named_by(const Instruction& i, int lane) {
  const Operand* operands[] = {&i.d, &i.a, &i.b, &i.c, &i.e};
  return i.mask_at < 0 ? ~0u : Lanes(at(operands[i.mask_at]->reg)[lane]);
}

// Leaves the lanes that may go on, because all that their operation names are here; false: others
// have to wait.
bool Warp::meet(const Instruction& i, Lanes& lanes) {
  Lanes ready = 0;
  for (Lanes rest = lanes; rest;) {
    const int lane = std::countr_zero(rest);
    const Lanes named = named_by(i, lane);
    Lanes group = 0;
    each(rest, [&](int l) { group |= Lanes(named_by(i, l) == named) << l; });
    rest &= ~group;
    if (group & ~named)
      fault(i, std::countr_zero(group & ~named), cudaErrorLaunchFailure,
            "a lane that its own mask leaves out");
    if (named & (exited | ~exists))
      fault(i, lane, cudaErrorLaunchFailure,
            "a mask names lanes that have returned or do not exist");
    if (group == named) ready |= group;
  }
  uint32_t clock = 0;
  each(ready, [&](int l) { clock = std::max(clock, thread(l).warp_clock); });
  each(ready, [&](int l) { thread(l).warp_clock = clock + 1; });
  const Lanes waiting = lanes & ~ready;
  lanes = ready;
  return waiting == 0;
}

void Warp::exit_lanes(Lanes lanes) {
  each(lanes, [&](int l) {
    BlockThread& leaving = thread(l);
    current = &leaving;
    finish_copies(&leaving, INT32_MAX);
    leaving.state = State::kDone;
  });
  exited |= lanes;
}

void Warp::run_split(size_t index) {
  Split split = splits[index];
  const auto here = [&](const Split& s) {
    return s.at == split.at && s.state != Split::kAtBarrier;
  };
  for (const Split& s : splits)
    if (here(s)) split.lanes |= s.lanes;
  std::erase_if(splits, here);
  const bool together = splits.empty();
  int next_other = INT32_MAX;  // where it may meet others
  for (const Split& s : splits)
    if (s.state != Split::kAtBarrier) next_other = std::min(next_other, s.at);

  const auto go_on = [&](int at, Lanes lanes, Split::State state = Split::kRuns) {
    if (lanes) splits.push_back({at, lanes, state});
  };
  for (;;) {
    const Instruction& i = machine.kernel->code[size_t(split.at)];
    Lanes lanes = split.lanes;
    if (i.predicate >= 0) {
      const uint64_t* p = at(i.predicate);
      Lanes yes = 0;
      for (int l = 0; l < 32; ++l) yes |= Lanes((p[l] != 0) != i.predicate_negated) << l;
      lanes &= yes;
    }
    if (machine.counters) machine.counters->instruction(i, lanes, together);
    const Lanes rest = split.lanes & ~lanes;
    switch (i.control) {
      case Control::kNone:
        if (lanes) i.run(*this, i, lanes);
        break;
      case Control::kBranch:
        if (lanes && rest) {
          go_on(i.target, lanes);
          go_on(split.at + 1, rest);
          return;
        }
        if (lanes) {
          split.at = i.target;
          if (together) continue;
          go_on(split.at, lanes);
          return;
        }
        break;
      case Control::kTable:
        each(lanes, [&](int l) {
          const uint64_t entry = uint32_t(at(i.a.reg)[l]);
          if (entry >= i.table->size())
            fault(i, l, cudaErrorLaunchFailure, "a branch outside its table");
          go_on((*i.table)[entry], 1u << l);
        });
        go_on(split.at + 1, rest);
        return;
      case Control::kReturn:
        exit_lanes(lanes);
        go_on(split.at + 1, rest);
        return;
      case Control::kBarrier:
        go_on(split.at, lanes, Split::kAtBarrier);
        go_on(split.at + 1, rest);
        return;
      case Control::kTrap:
        if (lanes) fault(i, std::countr_zero(lanes), cudaErrorLaunchFailure, "a trap");
        break;
      case Control::kWarp: {
        if (!lanes) break;
        const Lanes came = lanes;
        const bool all = meet(i, lanes);
        if (lanes) run_groups(i, lanes);
        if (all) break;
        go_on(split.at, came & ~lanes, Split::kWaits);
        go_on(split.at + 1, rest | lanes);
        return;
      }
    }
    ++split.at;
    if (!together && split.at >= next_other) {
      go_on(split.at, split.lanes);
      return;
    }
  }
}

// Lanes of different masks are at one instruction and do not take part in each other's operation.
void Warp::run_groups(const Instruction& i, Lanes lanes) {
  while (lanes) {
    const Lanes group = named_by(i, std::countr_zero(lanes));
    i.run(*this, i, group);
    lanes &= ~group;
  }
}

}  // namespace cudaemu::ptx
