// Streams as queues of operations, and the order in which these run.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "findings.h"

namespace cudaemu {

struct Event;

enum class OperationKind {
  kWork,     // kernel, copy, memset, product: left out once the device is lost
  kHost,     // host function: likewise, and other threads go on meanwhile
  kHeld,     // likewise, and the stream goes on when somebody says so: see go_on()
  kRelease,  // returns memory: always runs
  kRecord,
  kWait
};
struct Operation {
  OperationKind kind;
  std::function<void()> run;
  Event* event = nullptr;
  uint64_t serial = 0;  // which record of the event
};

struct Stream {
  int device = 0;
  std::deque<Operation> queue;
  bool is_blocking = true;  // the legacy default stream waits for it
  bool busy = false;        // inside a host function, or held
  bool held = false;        // by work of another library's thread
  Graph* capture = nullptr;
};
struct Event {
  int device = 0;
  uint64_t recorded = 0, completed = 0;
  double milliseconds = 0;
  Graph* capture = nullptr;  // recorded into it
};
struct GraphNode {
  Graph* graph;
  size_t index, count;  // of its operations
  bool is_child;
};
struct Graph {
  std::vector<Operation> operations;
  std::vector<std::unique_ptr<GraphNode>> nodes;  // that were added one by one
  Stream* origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;  // that captures
  bool invalid = false;
};

// For all of these the caller holds the lock.
Stream* stream_of(cudaStream_t);  // null: the legacy default stream of the current device
bool is_stream(cudaStream_t);     // alive, and of the current device
void add_stream(Stream*);
void remove_stream(Stream*);
cudaError_t push(cudaStream_t, Operation);
bool step(Stream*);  // runs one operation, if it can
bool step_any();
void drain(Stream*);  // until all its work is done
void drain_all();
void go_on(Stream*);  // that is held
void drain_until(const std::function<bool()>& done);
void drop_all();  // forgets all queued work
void reseed_streams();

bool capturing();  // any stream
void begin_capture(Stream*, cudaStreamCaptureMode);
void end_capture(Graph*);
// Spoils the captures that forbid this thread what waits; false if none does.
bool invalidate_captures();
void note_graph(const Graph*);  // it is the program's now

double now_milliseconds();

}  // namespace cudaemu
