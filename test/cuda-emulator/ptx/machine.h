// A warp that runs a kernel of PTX, for the functions of its instructions.
#pragma once
#include <bit>
#include <memory>
#include <vector>

#include "ptx/counters.h"
#include "ptx/program.h"
#include "scheduler.h"

namespace cudaemu::ptx {

// Of a launch.
struct Machine {
  const Kernel* kernel;
  const GridShape* shape;
  const std::vector<char>* parameters;
  const std::vector<std::vector<char>*>* constants;  // tables of the module, which may be read
  Counters* counters;
  Block* block;  // that runs
  char* shared;
  size_t shared_bytes;
};

// Lanes that are at the same instruction.
struct Split {
  int at;
  Lanes lanes;
  enum State : uint8_t { kRuns, kAtBarrier, kWaits } state = kRuns;
};

class Warp {
 public:
  Warp(Machine&, unsigned number);
  void start();  // of the machine's block
  bool run();    // until all lanes have returned or wait at a barrier; false: all have returned

  uint64_t* at(int reg) { return &registers_[size_t(reg) * 32]; }
  uint64_t* result(const Operand& o) { return o.reg < 0 ? nowhere_ : at(o.reg); }
  BlockThread& thread(int lane) { return machine.block->threads[first + unsigned(lane)]; }
  char* local(int lane) { return local_.data() + size_t(lane) * machine.kernel->local_bytes; }
  [[noreturn]] void fault(const Instruction&, int lane, cudaError_t, const std::string& what);

  Machine& machine;
  const unsigned first;  // its first thread
  std::vector<Split> splits;
  Lanes exists = 0, exited = 0;
  uint8_t carry[32] = {};

 private:
  void run_split(size_t);
  void exit_lanes(Lanes);
  bool meet(const Instruction&, Lanes&);
  Lanes named_by(const Instruction&, int lane);
  void run_groups(const Instruction&, Lanes);
  void set_special(Special, uint64_t* values) const;

  std::vector<uint64_t> registers_;
  std::vector<char> local_;
  uint64_t nowhere_[32];
};

template <class F>
inline void each(Lanes lanes, F f) {
  if (lanes == ~0u) {
    for (int lane = 0; lane < 32; ++lane) f(lane);
  } else {
    for (; lanes; lanes &= lanes - 1) f(std::countr_zero(lanes));
  }
}

}  // namespace cudaemu::ptx
