#include "scheduler.h"

#include <algorithm>

#include "ptx/interpreter.h"
#include "shadow.h"
#include "shared_memory.h"

namespace cudaemu {

constinit thread_local Thread* current = nullptr;
constinit thread_local Scheduler* scheduler = nullptr;

Scheduler::~Scheduler() {
  for (auto& fiber : fibers_) destroy_fiber(*fiber);
  for (WarpOperation* operation : spare_) delete operation;
}

WarpOperation* Scheduler::take_operation() {
  if (spare_.empty()) return new WarpOperation;
  WarpOperation* operation = spare_.back();
  spare_.pop_back();
  return operation;
}

bool Scheduler::owns_stack(const void* p) const {
  return (running_ && running_->holds(p)) ||
         std::any_of(fibers_.begin(), fibers_.end(),
                     [p](const auto& fiber) { return fiber->holds(p); });
}

void Scheduler::go(Fiber& to) {
  Fiber& from = *running_;
  if (&from == &to) return;
  running_ = &to;
  switch_fiber(from, to);
}

void Scheduler::make_room() {
  if (waiting_ < ready_.size()) return;
  std::vector<BlockThread*> larger(std::max<size_t>(64, ready_.size() * 2));
  for (size_t i = 0; i < waiting_; ++i) larger[i] = ready_[(head_ + i) % ready_.size()];
  ready_.swap(larger);
  head_ = 0;
}

void Scheduler::wake(BlockThread* thread) {
  thread->state = State::kReady;
  make_room();
  ready_[(head_ + waiting_++) & (ready_.size() - 1)] = thread;
}

void Scheduler::wake_lanes(BlockThread* warp, unsigned lanes) {
  if (order_ != ThreadOrder::kForward) {
    for (unsigned lane = 0; lane < 32; ++lane)
      if (lanes >> lane & 1) wake(&warp[lane]);
    return;
  }
  for (unsigned lane = 32; lane-- > 0;) {
    if (!(lanes >> lane & 1)) continue;
    warp[lane].state = State::kReady;
    make_room();
    head_ = (head_ - 1) & (ready_.size() - 1);
    ready_[head_] = &warp[lane];
    ++waiting_;
  }
}

BlockThread* Scheduler::next_ready() {
  const size_t mask = ready_.size() - 1;
  if (order_ == ThreadOrder::kReverse) return ready_[(head_ + --waiting_) & mask];
  if (order_ == ThreadOrder::kRandom)
    std::swap(ready_[head_], ready_[(head_ + random() % waiting_) & mask]);
  BlockThread* thread = ready_[head_];
  head_ = (head_ + 1) & mask;
  --waiting_;
  return thread;
}

// True where a thread that has not begun comes next: once no other can go on, and in random order
// more often than not. So warps run one after the other, in reverse the last one first.
bool Scheduler::begins_another() {
  if (next_fresh_ == fresh_.size()) return false;
  if (!waiting_) return true;
  return order_ == ThreadOrder::kRandom && random() % 4 != 0;
}

Fiber& Scheduler::idle_fiber() {
  if (idle_.empty()) {
    fibers_.push_back(
        std::make_unique<Fiber>(create_fiber(options().stack, fibers_.size(), fiber_entry)));
    return *fibers_.back();
  }
  Fiber* fiber = idle_.back();
  idle_.pop_back();
  return *fiber;
}

void Scheduler::fiber_entry() {
  entered_fiber();
  scheduler->run_fiber();
}

void Scheduler::run_fiber() {
  for (;;) {
    while (begins_another()) {
      BlockThread* thread = fresh_[next_fresh_++];
      thread->fiber = running_;
      enter(thread);
      grid.shape->launch.invoke(grid.shape->launch.call);
      finish(thread);
    }
    idle_.push_back(running_);
    if (waiting_)
      go(*next_ready()->fiber);
    else if (next_fresh_ >= fresh_.size())
      go(main_);
    else
      idle_.pop_back();
  }
}

void Scheduler::wait(BlockThread* thread, State state) {
  thread->state = state;
  if (begins_another())
    go(idle_fiber());
  else if (waiting_)
    go(*next_ready()->fiber);
  else
    go(main_);  // nothing can run: a deadlock
  enter(thread);
}

void Scheduler::enter(BlockThread* thread) {
  current = thread;
  thread->state = State::kRunning;
  if (entered_ == thread->block) return;
  own_static_shared(thread->block);
  entered_ = thread->block;
}

void Scheduler::abandon() {
  if (interprets) throw AbandonedBlock();
  abandoned_ = true;
  go(main_);
  std::abort();
}

void Scheduler::finish(BlockThread* thread) {
  Block* block = thread->block;
  finish_copies(thread, INT32_MAX);
  thread->state = State::kDone;
  block->gone[thread->warp] |= 1u << thread->lane;
  --block->alive;
  --alive;
  for (const WarpOperation* pending : block->warps[thread->warp])
    if (pending->mask >> thread->lane & 1)
      fatal_finding(cudaErrorLaunchFailure,
                    "lane %u returned while lanes %08x wait for it at %s:%d", thread->lane,
                    pending->arrived, pending->file, pending->line);
  if (block->at_barrier && block->at_barrier == block->alive) {
    finding(cudaErrorLaunchFailure, "returned while %u thread(s) wait at the barrier %s:%d",
            block->at_barrier, block->barrier_file, block->barrier_line);
    release_barrier(block, nullptr);
  }
  if (at_grid_sync && at_grid_sync == alive)
    fatal_finding(cudaErrorLaunchFailure, "returned while other threads wait at a grid barrier");
}

void Scheduler::start(Block* block, uint32_t index) {
  const dim3 size = grid.shape->block, blocks_of = grid.shape->grid;
  const unsigned count = size.x * size.y * size.z, warps = (count + 31) / 32;
  block->index = index;
  block->threads.resize(count);
  block->alive = count;
  block->at_barrier = block->predicates = 0;
  block->barrier_clock = 0;
  block->warps.assign(warps, {});
  block->gone.assign(warps, 0);
  if (count % 32) block->gone.back() = ~0u << (count % 32);
  block->before.clear();
  block->seen.clear();
  start_shared(block, grid.shape->shared);
  const Index place{index % blocks_of.x, index / blocks_of.x % blocks_of.y,
                    index / (blocks_of.x * blocks_of.y)};
  for (unsigned i = 0; i < count; ++i) {
    BlockThread& thread = block->threads[i];
    thread.thread_index = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
    thread.block_index = place;
    thread.block_size = size;
    thread.grid_size = blocks_of;
    thread.lane = i % 32;
    thread.warp = i / 32;
    thread.linear = i;
    thread.block = block;
    thread.state = State::kFresh;
    thread.warp_clock = 0;
    thread.fenced = false;
    thread.copy_group = 0;
    thread.copies.clear();
  }
}

void Scheduler::report_deadlock() {
  for (Block* block : blocks) {
    const BlockThread* first = nullptr;
    unsigned stuck = 0;
    for (const BlockThread& thread : block->threads) {
      if (thread.state == State::kDone) continue;
      ++stuck;
      if (!first) first = &thread;
    }
    if (!first) continue;
    const char *what = "a grid barrier", *file = "", *separator = "";
    int line = 0;
    if (first->state == State::kAtBarrier) {
      what = "the barrier ";
      file = block->barrier_file;
      line = block->barrier_line;
    } else if (first->state == State::kInWarp) {
      what = "the warp operation ";
      for (const WarpOperation* pending : block->warps[first->warp])
        if (pending->mask >> first->lane & 1) {
          file = pending->file;
          line = pending->line;
        }
    }
    if (line) separator = ":";
    finding(cudaErrorLaunchTimeout,
            "deadlock in block %u: %u thread(s), first thread %u at %s%s%s%.0d", block->index,
            stuck, first->linear, what, file, separator, line);
    abandoned_ = true;
  }
}

void Scheduler::run_blocks(const uint32_t* indices, unsigned count) {
  while (pool_.size() < count) {
    pool_.push_back(std::make_unique<Block>());
    pool_.back()->slot = unsigned(pool_.size() - 1);
  }
  blocks.clear();
  entered_ = nullptr;
  fresh_.clear();
  next_fresh_ = head_ = waiting_ = 0;
  alive = at_grid_sync = 0;
  abandoned_ = false;
  for (unsigned i = 0; i < count; ++i) {
    Block* block = pool_[i].get();
    start(block, indices[i]);
    blocks.push_back(block);
    alive += block->alive;
    for (BlockThread& thread : block->threads) fresh_.push_back(&thread);
  }
  if (order_ == ThreadOrder::kReverse) std::reverse(fresh_.begin(), fresh_.end());
  if (order_ == ThreadOrder::kRandom)
    for (size_t i = fresh_.size(); i > 1; --i) std::swap(fresh_[i - 1], fresh_[random() % i]);

  while (!abandoned_ && (waiting_ || next_fresh_ < fresh_.size()))
    go(waiting_ ? *next_ready()->fiber : idle_fiber());
  current = nullptr;
  if (!abandoned_) report_deadlock();
  if (!abandoned_) return;

  for (Block* block : blocks)
    for (auto& pending : block->warps)
      for (WarpOperation* operation : pending) give_back(operation);
  idle_.clear();
  for (auto& fiber : fibers_) {
    restart_fiber(*fiber, fiber_entry);
    idle_.push_back(fiber.get());
  }
  failed = true;
}

void Scheduler::begin(const GridShape& shape) {
  static std::atomic<uint16_t> launches{0};
  grid.shape = &shape;
  grid.number = ++launches;
  grid.clock = 0;
  grid.published.clear();
  failed = false;
  random = Random(options().seed + grid.number);
  order_ = options().threads;
}

std::vector<uint32_t> Scheduler::block_order() {
  const dim3 blocks_of = grid.shape->grid;
  std::vector<uint32_t> order(size_t(blocks_of.x) * blocks_of.y * blocks_of.z);
  for (size_t i = 0; i < order.size(); ++i) order[i] = uint32_t(i);
  if (order_ == ThreadOrder::kReverse) std::reverse(order.begin(), order.end());
  if (order_ == ThreadOrder::kRandom)
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  return order;
}

void Scheduler::run(const GridShape& shape) {
  begin(shape);
  main_ = fiber_of_this_thread();
  running_ = &main_;
  find_static_shared(shape.launch.kernel, shape.cooperative);
  const std::vector<uint32_t> order = block_order();
  if (shape.cooperative)
    run_blocks(order.data(), unsigned(order.size()));
  else
    for (size_t i = 0; i < order.size() && !failed; ++i) run_blocks(&order[i], 1);
  if (!failed) end_shared(blocks.front(), shape.most_shared);
}

void run_grid(const GridShape& shape) {
  static thread_local Scheduler of_this_thread;
  const RunningKernel name(shape.launch.kernel);
  scheduler = &of_this_thread;
  if (!ptx::run(of_this_thread, shape)) of_this_thread.run(shape);
  scheduler = nullptr;
}

void abandon_block() {
  if (!current) stop_process("a fault outside a kernel");
  scheduler->abandon();
}
void fail_grid() {
  if (scheduler) scheduler->failed = true;
}

}  // namespace cudaemu
