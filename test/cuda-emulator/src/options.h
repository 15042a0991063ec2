// Settings of the emulator by the environment; control.cpp changes it while a test runs.
#pragma once
#include <cstddef>
#include <cstdint>

namespace cudaemu {

enum class ThreadOrder { kForward, kReverse, kRandom };
// When queued work runs: at once, only when something waits for it, or at random times between.
enum class StreamOrder { kEager, kDeferred, kRandom };

constexpr int kMostDevices = 4;

struct Options {
  ThreadOrder threads = ThreadOrder::kForward;  // ORTHOKIT_EMULATOR_ORDER
  StreamOrder streams = StreamOrder::kEager;    // ORTHOKIT_EMULATOR_STREAMS
  uint64_t seed = 1;                            // ORTHOKIT_EMULATOR_SEED
  int wobble = 0;                               // ORTHOKIT_EMULATOR_WOBBLE
  bool protect = false;                         // ORTHOKIT_EMULATOR_PROTECT
  int devices = 1;                              // ORTHOKIT_EMULATOR_DEVICES: up to kMostDevices
  int driver = 13000;                           // ORTHOKIT_EMULATOR_DRIVER: CUDA version, 0 = none
  size_t memory = size_t(1) << 30;              // ORTHOKIT_EMULATOR_MEMORY: bytes of each device
  int capability = 90;                          // ORTHOKIT_EMULATOR_CC: 10 * major + minor
  int multiprocessors = 132;                    // ORTHOKIT_EMULATOR_SMS
  size_t stack = size_t(128) << 10;             // ORTHOKIT_EMULATOR_STACK: bytes of a thread
  const char* ptx = "";           // ORTHOKIT_EMULATOR_PTX: a list of files to interpret
  bool counts = false;            // what the interpreter does, for a test to ask
  const char* ptx_counters = "";  // ORTHOKIT_EMULATOR_COUNTERS: a file to write
};
Options& options();

// Shared memory of a block: what a kernel may have without asking, static and dynamic together, and
// what the compute capability allows one that asks.
constexpr size_t kSharedWithoutAsking = 48 << 10;
size_t most_shared();

// Of `order` and `streams`; false: no such word.
bool set_thread_order(const char* word);
bool set_stream_order(const char* word);

// Random choices of one user of the seed.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u | 1) {}
  uint64_t operator()() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    return state_ ^= state_ << 17;
  }

 private:
  uint64_t state_;
};

}  // namespace cudaemu
