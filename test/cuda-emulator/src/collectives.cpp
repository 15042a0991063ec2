// Operations of threads together: barriers, shuffles and votes, matrix instructions.
#include <algorithm>

#include "cuda_fp16.h"
#include "scheduler.h"

namespace cudaemu {
namespace {

// The lane that a shuffle reads; out of range a lane keeps its own value, as on the hardware.
int source_of(const WarpOperation& o, int own) {
  const int argument = o.arguments[own];
  const int segment = own & ~(o.width - 1), end = segment + o.width;
  switch (o.op) {
    case kShuffle:
      return segment | (argument & (o.width - 1));
    case kShuffleUp:
      return own - argument >= segment ? own - argument : own;
    case kShuffleDown:
      return own + argument < end ? own + argument : own;
    default:  // kShuffleXor may reach into earlier segments
      return (own ^ argument) < end ? own ^ argument : own;
  }
}

// The result of a lane from a shuffle that all lanes of its mask have reached.
uint64_t shuffled(const WarpOperation& o, int lane) {
  const int from = source_of(o, lane);
  if (!(o.mask >> from & 1))
    fatal_finding(cudaErrorLaunchFailure,
                  "%s:%d: shuffle reads lane %d, which mask %08x leaves out", o.file, o.line, from,
                  o.mask);
  return o.values[from];
}

// The votes of an operation, which all its lanes have.
uint64_t voted(const WarpOperation& o, unsigned votes) {
  switch (o.op) {
    case kBallot:
      return votes;
    case kAny:
      return votes != 0;
    case kAll:
      return votes == o.mask;
    default:
      return 0;
  }
}

void complete(BlockThread* warp, const WarpOperation& o) {
  uint32_t clock = 0;
  unsigned votes = 0;
  void* lanes[32] = {};
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(o.mask >> lane & 1)) continue;
    clock = std::max(clock, warp[lane].warp_clock);
    if (o.values[lane]) votes |= 1u << lane;
    lanes[lane] = reinterpret_cast<void*>(o.values[lane]);
  }
  if (o.op == kCall) o.call(lanes);
  const bool shuffles = o.op == kShuffle || o.op == kShuffleUp || o.op == kShuffleDown ||
                        o.op == kShuffleXor;
  const uint64_t common = shuffles ? 0 : voted(o, votes);
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(o.mask >> lane & 1)) continue;
    warp[lane].warp_clock = clock + 1;
    warp[lane].result = shuffles ? shuffled(o, int(lane)) : common;
  }
}

WarpOperation* join(Block* block, const BlockThread* thread, int op, unsigned mask, int width,
                    const char* file, int line) {
  auto& pending = block->warps[thread->warp];
  for (WarpOperation* o : pending) {
    if (o->mask != mask) continue;  // it may overlap: lanes that come to it later are elsewhere
    if (o->op != op || o->line != line || o->file != file || o->width != width)
      fatal_finding(cudaErrorLaunchFailure,
                    "divergent warp operation: lane %u is at %s:%d, others wait at %s:%d",
                    thread->lane, file, line, o->file, o->line);
    return o;
  }
  WarpOperation* fresh = scheduler->take_operation();
  fresh->mask = mask;
  fresh->arrived = 0;
  fresh->op = op;
  fresh->width = width;
  fresh->file = file;
  fresh->line = line;
  fresh->call = nullptr;
  pending.push_back(fresh);
  return fresh;
}

uint64_t warp_operation(int op, unsigned mask, uint64_t value, int argument, int width,
                        void (*call)(void* const*), const char* file, int line) {
  BlockThread* thread = running_thread();
  Block* block = thread->block;
  const unsigned lane = thread->lane;
  if (!(mask >> lane & 1))
    fatal_finding(cudaErrorLaunchFailure, "%s:%d: lane %u is not in its own mask %08x", file, line,
                  lane, mask);
  if (width < 1 || width > 32 || (width & (width - 1)))
    fatal_finding(cudaErrorLaunchFailure, "%s:%d: a width of %d", file, line, width);
  if (const unsigned missing = mask & block->gone[thread->warp])
    fatal_finding(cudaErrorLaunchFailure,
                  "%s:%d: mask %08x names lanes %08x, which do not exist or have returned", file,
                  line, mask, missing);
  WarpOperation* o = join(block, thread, op, mask, width, file, line);
  o->values[lane] = value;
  o->arguments[lane] = argument;
  o->arrived |= 1u << lane;
  if (call) o->call = call;
  if (o->arrived != mask) {
    scheduler->wait(thread, State::kInWarp);
    return thread->result;
  }
  BlockThread* warp = &block->threads[thread->warp * 32];
  complete(warp, *o);
  scheduler->wake_lanes(warp, mask & ~(1u << lane));
  std::erase(block->warps[thread->warp], o);
  scheduler->give_back(o);
  const uint64_t result = thread->result;
  if (scheduler->order() == ThreadOrder::kRandom) {
    scheduler->wake(thread);
    scheduler->wait(thread, State::kReady);
  }
  return result;
}

struct MatrixLane {
  float d[4];
  unsigned a[4], b[2];
};
float bf16_of(unsigned word, int half) {
  return __uint_as_float(half ? word & 0xffff0000u : word << 16);
}
float f16_of(unsigned word, int half) {
  return __half2float(__ushort_as_half((unsigned short)(word >> 16 * half)));
}

// d += a (16x16) * b (16x8); the layout stands in native/cuda/device/mma.cuh.
template <float number(unsigned, int)>
void multiply(void* const* lanes) {
  const auto lane = [&](int i) -> MatrixLane& { return *static_cast<MatrixLane*>(lanes[i]); };
  float a[16][16], b[16][8];
  for (int i = 0; i < 32; ++i) {
    const int group = i / 4, column = 2 * (i % 4);
    for (int half = 0; half < 2; ++half) {
      for (int j = 0; j < 4; ++j)
        a[group + j % 2 * 8][column + half + j / 2 * 8] = number(lane(i).a[j], half);
      for (int j = 0; j < 2; ++j) b[column + half + 8 * j][group] = number(lane(i).b[j], half);
    }
  }
  for (int i = 0; i < 32; ++i)
    for (int j = 0; j < 4; ++j) {
      const int row = i / 4 + j / 2 * 8, column = 2 * (i % 4) + j % 2;
      float sum = lane(i).d[j];
      for (int k = 0; k < 16; ++k) sum += a[row][k] * b[k][column];
      lane(i).d[j] = sum;
    }
}

struct LoadLane {
  const unsigned* row;
  unsigned out[4];
  bool transposed;
};
// The layout stands in native/cuda/device/mma.cuh.
void load(void* const* lanes) {
  const auto element = [&](int matrix, int row, int column) {
    const unsigned* words = static_cast<LoadLane*>(lanes[8 * matrix + row])->row;
    return words[column / 2] >> 16 * (column % 2) & 0xffffu;
  };
  for (int i = 0; i < 32; ++i) {
    LoadLane& lane = *static_cast<LoadLane*>(lanes[i]);
    const int g = i / 4, t = 2 * (i % 4);
    for (int m = 0; m < 4; ++m)
      lane.out[m] = lane.transposed ? element(m, t, g) | element(m, t + 1, g) << 16
                                    : element(m, g, t) | element(m, g, t + 1) << 16;
  }
}

void multiply_matrices(float* d, const unsigned* a, const unsigned* b, void (*call)(void* const*),
                       const char* file, int line) {
  MatrixLane mine{{d[0], d[1], d[2], d[3]}, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  warp_operation(kCall, ~0u, reinterpret_cast<uint64_t>(&mine), 0, 32, call, file, line);
  std::copy(mine.d, mine.d + 4, d);
}

}  // namespace

void release_barrier(Block* block, BlockThread* last) {
  switch (block->barrier_kind) {
    case kOr:
      block->barrier_result = block->predicates > 0;
      break;
    case kAnd:
      block->barrier_result = block->predicates == block->alive;
      break;
    default:
      block->barrier_result = int(block->predicates);
  }
  ++block->barrier_clock;
  block->at_barrier = block->predicates = 0;
  for (BlockThread& thread : block->threads)
    if (&thread != last && thread.state == State::kAtBarrier) scheduler->wake(&thread);
}

}  // namespace cudaemu

using namespace cudaemu;

int cudaemu_barrier(int kind, int predicate, const char* file, int line) {
  BlockThread* thread = running_thread();
  Block* block = thread->block;
  if (block->at_barrier == 0) {
    block->barrier_kind = kind;
    block->barrier_file = file;
    block->barrier_line = line;
  } else if (block->barrier_kind != kind || block->barrier_line != line ||
             block->barrier_file != file) {
    fatal_finding(cudaErrorLaunchFailure,
                  "divergent barrier: this thread is at %s:%d, others wait at %s:%d", file, line,
                  block->barrier_file, block->barrier_line);
  }
  block->predicates += predicate != 0;
  if (++block->at_barrier < block->alive) {
    scheduler->wait(thread, State::kAtBarrier);
    return block->barrier_result;
  }
  if (block->alive != block->threads.size())
    finding(cudaErrorLaunchFailure, "barrier at %s:%d was skipped by %zu thread(s) that returned",
            file, line, block->threads.size() - block->alive);
  release_barrier(block, thread);
  if (scheduler->order() == ThreadOrder::kRandom) {
    scheduler->wake(thread);
    scheduler->wait(thread, State::kReady);
  }
  return block->barrier_result;
}

void cudaemu_grid_sync(const char* file, int line) {
  BlockThread* thread = running_thread();
  if (!scheduler->grid.shape->cooperative)
    fatal_finding(cudaErrorLaunchFailure,
                  "grid barrier at %s:%d in a launch that is not cooperative", file, line);
  if (++scheduler->at_grid_sync < scheduler->alive) {
    scheduler->wait(thread, State::kAtGridSync);
    return;
  }
  scheduler->at_grid_sync = 0;
  ++scheduler->grid.clock;
  for (Block* block : scheduler->blocks) {
    ++block->barrier_clock;
    for (BlockThread& other : block->threads)
      if (&other != thread && other.state == State::kAtGridSync) scheduler->wake(&other);
  }
}

uint64_t cudaemu_warp(int op, unsigned mask, uint64_t value, int argument, int width,
                      const char* file, int line) {
  return warp_operation(op, mask, value, argument, width, nullptr, file, line);
}

void cudaemu_mma_bf16_16816(float* d, const unsigned* a, const unsigned* b, const char* file,
                            int line) {
  multiply_matrices(d, a, b, multiply<bf16_of>, file, line);
}
void cudaemu_mma_f16_16816(float* d, const unsigned* a, const unsigned* b, const char* file,
                           int line) {
  multiply_matrices(d, a, b, multiply<f16_of>, file, line);
}

void cudaemu_load_matrices(unsigned* out, const unsigned* row, bool transposed, const char* file,
                           int line) {
  LoadLane mine{row, {}, transposed};
  warp_operation(kCall, ~0u, reinterpret_cast<uint64_t>(&mine), 0, 32, load, file, line);
  std::copy(mine.out, mine.out + 4, out);
}
