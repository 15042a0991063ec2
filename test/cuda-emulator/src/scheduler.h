// Runs the threads of blocks as fibers. A fiber executes emulated threads one after another until
// one of them has to wait at a barrier or a warp operation, or ends while others can go on; only
// then does another fiber take over, so kernels without synchronisation cost one plain call per
// thread.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "fibers.h"
#include "findings.h"
#include "grid.h"
#include "options.h"

namespace cudaemu {

struct Block;

struct AsyncCopy {
  void* to;
  const void* from;
  size_t bytes, valid;
  int group;
  const void* code_address;
};

enum class State : uint8_t { kFresh, kRunning, kReady, kAtBarrier, kInWarp, kAtGridSync, kDone };

struct BlockThread : Thread {
  Block* block = nullptr;
  State state = State::kFresh;
  Fiber* fiber = nullptr;
  uint64_t result = 0;  // of its warp operation
  uint32_t warp_clock = 0;
  bool fenced = false;  // no write since its last fence
  int copy_group = 0;
  std::vector<AsyncCopy> copies;
};

struct WarpOperation {  // that some lanes of a warp have reached
  unsigned mask = 0, arrived = 0;
  int op = 0, width = 32, line = 0;
  const char* file = nullptr;
  uint64_t values[32];
  int arguments[32];
  void (*call)(void* const* lanes) = nullptr;
};

struct Block {
  unsigned slot = 0;  // among the blocks that are alive at once
  uint32_t index = 0;
  std::vector<BlockThread> threads;
  unsigned alive = 0;

  unsigned at_barrier = 0, predicates = 0;
  int barrier_kind = 0, barrier_line = 0, barrier_result = 0;
  const char* barrier_file = nullptr;
  uint16_t barrier_clock = 0;

  std::vector<std::vector<WarpOperation*>> warps;  // what is pending in each
  std::vector<unsigned> gone;                      // lanes of each that have returned or never were

  std::vector<char> dynamic_storage;
  char* dynamic = nullptr;
  size_t dynamic_bytes = 0;
  std::vector<char> saved_static;  // static shared memory while another block runs

  std::set<uint32_t> before,
      seen;  // blocks ordered before this one; seen by an atomic, no fence yet
};

struct Grid {
  const GridShape* shape = nullptr;
  uint16_t number = 0;
  uint8_t clock = 0;                                    // grid barriers so far
  std::map<const void*, std::set<uint32_t>> published;  // blocks, by the atomic that told of them
};

// Ends the block that the interpreter of PTX runs.
struct AbandonedBlock {};

class Scheduler {
 public:
  ~Scheduler();
  void run(const GridShape&);

  // The beginning of every executor of kernels: a launch, and each of its blocks.
  void begin(const GridShape&);
  std::vector<uint32_t> block_order();
  void start(Block*, uint32_t index);

  // Of the running thread.
  void wait(BlockThread*, State);
  void wake(BlockThread*);
  // Lanes of a warp that go on: next in order forward, as their stacks are in the caches.
  void wake_lanes(BlockThread* warp, unsigned lanes);
  ThreadOrder order() const { return order_; }
  [[noreturn]] void abandon();

  WarpOperation* take_operation();
  void give_back(WarpOperation* operation) { spare_.push_back(operation); }
  bool owns_stack(const void*) const;

  Grid grid;
  std::vector<Block*> blocks;  // alive
  unsigned at_grid_sync = 0, alive = 0;
  bool failed = false;
  bool interprets = false;  // the threads have no fibers
  Random random{1};

 private:
  static void fiber_entry();
  void run_fiber();
  void run_blocks(const uint32_t* indices, unsigned count);
  void report_deadlock();
  void finish(BlockThread*);
  bool begins_another();
  void enter(BlockThread*);
  Fiber& idle_fiber();
  void make_room();
  BlockThread* next_ready();
  void go(Fiber& to);

  ThreadOrder order_ = ThreadOrder::kForward;
  std::vector<std::unique_ptr<Block>> pool_;
  std::vector<BlockThread*> fresh_;
  size_t next_fresh_ = 0;
  std::vector<BlockThread*> ready_;  // a ring
  size_t head_ = 0, waiting_ = 0;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  Fiber main_;
  Fiber* running_ = nullptr;
  const Block* entered_ = nullptr;  // whose static shared memory is in its place
  bool abandoned_ = false;
  std::vector<WarpOperation*> spare_;
};

// The one that runs on this thread of the host; null outside kernels.
extern constinit thread_local Scheduler* scheduler __attribute__((tls_model("initial-exec")));
inline BlockThread* running_thread() { return static_cast<BlockThread*>(current); }

[[noreturn]] void abandon_block();
void fail_grid();
void release_barrier(Block*, BlockThread* last);
void finish_copies(BlockThread*, int before_group);
void note_atomic(const void* address, size_t bytes, const void* code_address);

}  // namespace cudaemu
