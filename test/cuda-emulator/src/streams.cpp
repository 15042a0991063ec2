#include "streams.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "api.h"
#include "device_memory.h"
#include "errors.h"
#include "lock.h"
#include "options.h"

namespace cudaemu {
namespace {

struct Streams {
  std::vector<Stream*> created;
  std::map<int, Stream> defaults;  // by device
  int captures = 0;
  Random random{options().seed};
};
Streams& streams() {
  static Streams& streams = *new Streams;
  return streams;
}

std::vector<Stream*> all_streams() {
  std::vector<Stream*> all;
  for (auto& [device, stream] : streams().defaults) all.push_back(&stream);
  all.insert(all.end(), streams().created.begin(), streams().created.end());
  return all;
}

bool can_run(const Stream& stream) {
  if (stream.busy || stream.queue.empty()) return false;
  const Operation& next = stream.queue.front();
  return next.kind != OperationKind::kWait || next.event->completed >= next.serial ||
         sticky() != cudaSuccess;
}

bool any_held() {
  const std::vector<Stream*> all = all_streams();
  return std::any_of(all.begin(), all.end(), [](const Stream* s) { return s->held; });
}

bool is_idle(const Stream& stream) { return stream.queue.empty() && !stream.busy; }

void run_host_function(Stream* stream, const Operation& operation) {
  stream->busy = true;
  {
    const Unlocked unlocked;
    in_host_function = true;
    operation.run();
    in_host_function = false;
  }
  stream->busy = false;
}

}  // namespace

double now_milliseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

Stream* stream_of(cudaStream_t stream) {
  if (stream) return stream;
  Stream& legacy = streams().defaults[current_device()];
  legacy.device = current_device();
  return &legacy;
}
bool is_stream(cudaStream_t stream) {
  if (!stream) return true;
  const auto& created = streams().created;
  return std::find(created.begin(), created.end(), stream) != created.end() &&
         stream->device == current_device();
}
void add_stream(Stream* stream) { streams().created.push_back(stream); }
void remove_stream(Stream* stream) { std::erase(streams().created, stream); }

bool step(Stream* stream) {
  if (!can_run(*stream)) return false;
  const Operation operation = std::move(stream->queue.front());
  stream->queue.pop_front();
  const bool lost = sticky() != cudaSuccess;
  switch (operation.kind) {
    case OperationKind::kWork:
      if (!lost) {
        const DeviceAccess access;
        operation.run();
      }
      break;
    case OperationKind::kHost:
      if (!lost) run_host_function(stream, operation);
      break;
    case OperationKind::kHeld:
      if (!lost) {
        const DeviceAccess access;
        stream->busy = stream->held = true;
        operation.run();
      }
      break;
    case OperationKind::kRelease:
      operation.run();
      break;
    case OperationKind::kRecord:
      operation.event->completed = std::max(operation.event->completed, operation.serial);
      operation.event->milliseconds = now_milliseconds();
      break;
    case OperationKind::kWait:
      break;
  }
  return true;
}

bool step_any() {
  const std::vector<Stream*> all = all_streams();
  const size_t first = all.empty() ? 0 : size_t(streams().random() % all.size());
  for (size_t i = 0; i < all.size(); ++i)
    if (step(all[(first + i) % all.size()])) return true;
  return false;
}

void drain_until(const std::function<bool()>& done) {
  while (!done()) {
    if (step_any()) continue;
    const std::vector<Stream*> all = all_streams();
    if (std::any_of(all.begin(), all.end(), [](const Stream* s) { return s->busy; })) {
      wait_for_others();
    } else {
      finding(cudaErrorLaunchTimeout, "streams wait for an event that is never recorded");
      return;
    }
  }
}
void drain(Stream* stream) {
  while (step(stream)) {
  }
  drain_until([&] {
    while (step(stream)) {
    }
    return is_idle(*stream);
  });
}
void drain_all() {
  drain_until([] {
    const std::vector<Stream*> all = all_streams();
    return std::all_of(all.begin(), all.end(), [](const Stream* s) { return is_idle(*s); });
  });
}
void go_on(Stream* stream) {
  stream->busy = stream->held = false;
  if (options().streams == StreamOrder::kEager)
    while (step(stream)) {
    }
  const Unlocked wakes_who_waits;
}
void drop_all() {
  for (Stream* stream : all_streams()) stream->queue.clear();
}
void reseed_streams() { streams().random = Random(options().seed); }

cudaError_t push(cudaStream_t handle, Operation operation) {
  Stream* stream = stream_of(handle);
  if (stream->capture) {
    stream->capture->operations.push_back(std::move(operation));
    return cudaSuccess;
  }
  if (!handle) {
    for (const Stream* other : streams().created)
      if (other->capture && other->is_blocking && other->device == stream->device) {
        other->capture->invalid = true;
        return answer(cudaErrorStreamCaptureImplicit);
      }
    drain_all();  // work on the legacy default stream waits for all other
  }
  stream->queue.push_back(std::move(operation));
  switch (options().streams) {
    case StreamOrder::kEager:
      while (step(stream)) {
      }
      // Whoever queues work of another library, or behind it, does not wait for that.
      if (!any_held()) drain(stream);
      break;
    case StreamOrder::kDeferred:
      break;
    case StreamOrder::kRandom:
      for (uint64_t steps = streams().random() % 4; steps > 0; --steps) step_any();
      break;
  }
  return cudaSuccess;
}

bool capturing() { return streams().captures > 0; }
void begin_capture(Stream* stream, cudaStreamCaptureMode mode) {
  stream->capture = new Graph;
  stream->capture->origin = stream;
  stream->capture->mode = mode;
  stream->capture->thread = std::this_thread::get_id();
  ++streams().captures;
}
void end_capture(Graph* graph) {
  --streams().captures;
  for (Stream* stream : streams().created)
    if (stream->capture == graph) stream->capture = nullptr;
}
bool invalidate_captures() {
  bool any = false;
  for (const Stream* stream : streams().created) {
    Graph* graph = stream->capture;
    const bool forbids = graph && (graph->mode == cudaStreamCaptureModeGlobal ||
                                   (graph->mode == cudaStreamCaptureModeThreadLocal &&
                                    graph->thread == std::this_thread::get_id()));
    if (forbids) any = graph->invalid = true;
  }
  return any;
}

}  // namespace cudaemu
