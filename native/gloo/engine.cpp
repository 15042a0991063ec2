// Collectives over Gloo by TCP: orthokit_gloo.so, compiled against the Gloo that is installed. Its
// calls wait, so each line of requests that are done in order has a thread that waits for them.
#include "core/engine.h"

#include <gloo/allgatherv.h>
#include <gloo/allreduce.h>
#include <gloo/alltoallv.h>
#include <gloo/barrier.h>
#include <gloo/broadcast.h>
#include <gloo/config.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>
#include <gloo/transport/unbound_buffer.h>
#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "core/engine_library.h"
#include "core/error.h"
#include "core/op.h"

namespace orthokit {
namespace {

using Clock = std::chrono::steady_clock;

// Core has limits of its own, and names who is late.
constexpr std::chrono::milliseconds kForever = std::chrono::hours(24 * 365);
// Who ends without a word ends its connections, too: core has this long to find out who it was.
constexpr auto kGrace = std::chrono::seconds(1);

struct Request {
  std::function<void()> work;  // waits
  std::unique_ptr<gloo::transport::UnboundBuffer> buffer;
  std::atomic<bool> is_over{false};
  std::string error;  // these two before is_over
  Clock::time_point failed_at{};

  void end() { is_over = true; }
  void end(const std::exception& e) {
    error = std::string("Gloo: ") + e.what();
    failed_at = Clock::now();
    is_over = true;
  }
};
using Shared = std::shared_ptr<Request>;

// Requests that are done one after the other, by a thread of their own.
class Line {
 public:
  Line() : thread_([this] { run(); }) {}
  ~Line() {
    {
      std::lock_guard lock(mutex_);
      is_closed_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  void add(Shared request) {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(request));
    wake_.notify_all();
  }

 private:
  void run() {
    for (;;) {
      Shared request;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return is_closed_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        request = std::move(waiting_.front());
        waiting_.pop_front();
      }
      try {
        request->work();
        request->end();
      } catch (const std::exception& e) {
        request->end(e);
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Shared> waiting_;
  bool is_closed_ = false;
  std::thread thread_;
};

struct GlooWorld {
  std::shared_ptr<gloo::rendezvous::Context> context;
  // By peer, direction and kind: no wait for one holds up another.
  std::map<std::tuple<int, Motion, int>, std::unique_ptr<Line>> messages;
  std::unique_ptr<Line> collectives;
  uint32_t calls = 0;
};

#define ORTHOKIT_GLOO_NAME                                     \
  "Gloo " ORTHOKIT_TEXT(GLOO_VERSION_MAJOR) "." ORTHOKIT_TEXT( \
      GLOO_VERSION_MINOR) "." ORTHOKIT_TEXT(GLOO_VERSION_PATCH)
constexpr char kLibrary[] = ORTHOKIT_ENGINE_MARK ORTHOKIT_GLOO_NAME "\n";

void library(char* text, size_t of) { write_library(kLibrary, text, of); }

std::string variable(const char* name) {
  const char* text = std::getenv(name);
  if (!text || !*text)
    throw Error(ErrorCode::kBackend,
                std::string(name) + " is not set, which `orthokit run --engine gloo` does");
  return text;
}

int number_of(const char* name) {
  const std::string text = variable(name);
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (*end || value < 0 || value > 100'000)
    throw Error(ErrorCode::kBackend, std::string(name) + " must be a count, got " + text);
  return int(value);
}

// Gloo reads what getaddrinfo has not written where a name leads nowhere.
void check_host(const std::string& host) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (const int result = getaddrinfo(host.c_str(), nullptr, &hints, &found))
    throw Error(ErrorCode::kBackend, "ORTHOKIT_GLOO_HOST must be an address of this machine, got " +
                                         host + ": " + gai_strerror(result));
  freeaddrinfo(found);
}

int32_t open(void** world, World* about, const Caller*, Failure* failure) {
  return guarded(failure, [&] {
    const int rank = number_of("ORTHOKIT_RANK"), size = number_of("ORTHOKIT_RANKS");
    if (rank >= size)
      throw Error(ErrorCode::kBackend, "ORTHOKIT_RANK must be below ORTHOKIT_RANKS, got " +
                                           std::to_string(rank) + " of " + std::to_string(size));
    gethostname(about->host, sizeof about->host - 1);
    gloo::transport::tcp::attr place;
    const char* host = std::getenv("ORTHOKIT_GLOO_HOST");
    place.hostname = host && *host ? host : about->host;
    check_host(place.hostname);
    auto device = gloo::transport::tcp::CreateDevice(place);
    auto own = std::make_unique<GlooWorld>();
    own->context = std::make_shared<gloo::rendezvous::Context>(rank, size);
    own->context->setTimeout(kForever);
    gloo::rendezvous::FileStore store(variable("ORTHOKIT_GLOO_STORE"));
    own->context->connectFullMesh(store, device);
    own->collectives = std::make_unique<Line>();
    about->rank = rank, about->size = size;
    *world = own.release();
  });
}

std::vector<int64_t> bytes_of_parts(const Exchange& e, int size) {
  std::vector<int64_t> bytes(e.counts, e.counts + size);
  for (int64_t& count : bytes) count *= int64_t(bytes_of(e.dtype));
  return bytes;
}

template <class T>
void sum(const std::shared_ptr<gloo::Context>& context, const Exchange& e, uint32_t tag) {
  gloo::AllreduceOptions options(context);
  options.setOutput(static_cast<T*>(e.data), size_t(e.count));
  options.setReduceFunction(
      [](void* to, const void* a, const void* b, size_t n) { gloo::sum<T>(to, a, b, n); });
  options.setTag(tag);
  gloo::allreduce(options);
}

void collect(const std::shared_ptr<gloo::Context>& context, const Exchange& e,
             const std::vector<int64_t>& parts, uint32_t tag) {
  auto* data = static_cast<uint8_t*>(e.data);
  if (e.motion == Motion::kSum) {
    if (e.dtype == Dtype::kF64)
      sum<double>(context, e, tag);
    else
      sum<float>(context, e, tag);
  } else if (e.motion == Motion::kExchange) {
    gloo::AlltoallvOptions options(context);
    options.setInput(data, parts);
    options.setOutput(static_cast<uint8_t*>(e.into),
                      std::vector<int64_t>(parts.size(), parts[size_t(context->rank)]));
    options.setTag(tag);
    gloo::alltoallv(options);
  } else if (e.motion == Motion::kGather) {
    gloo::AllgathervOptions options(context);
    options.setOutput(data, std::vector<size_t>(parts.begin(), parts.end()));
    options.setTag(tag);
    gloo::allgatherv(options);
  } else {
    gloo::BroadcastOptions options(context);
    options.setOutput(data, size_t(e.count) * bytes_of(e.dtype));
    options.setRoot(e.peer);
    options.setTag(tag);
    gloo::broadcast(options);
  }
}

int32_t start(void* world, const Exchange* exchange, void** request, Failure* failure) {
  return guarded(failure, [&] {
    auto& own = *static_cast<GlooWorld*>(world);
    const Exchange& e = *exchange;
    auto r = std::make_shared<Request>();
    auto handle = std::make_unique<Shared>(r);
    if (e.motion == Motion::kSend || e.motion == Motion::kReceive) {
      const bool sends = e.motion == Motion::kSend;
      // Core's first two kinds, as ranks meet and as they announce calls, are never under way at
      // once.
      auto& line = own.messages[{e.peer, e.motion, std::max(e.tag, 2)}];
      if (!line) line = std::make_unique<Line>();
      const size_t bytes = size_t(e.count) * bytes_of(e.dtype);
      const uint64_t slot = (uint64_t(1) << 56) + uint64_t(e.tag);  // beyond those of collectives
      r->buffer = own.context->createUnboundBuffer(e.data, bytes);
      auto* buffer = r->buffer.get();
      r->work = [buffer, sends] {
        if (sends)
          buffer->waitSend(kForever);
        else
          buffer->waitRecv(kForever);
      };
      try {
        if (sends)
          buffer->send(e.peer, slot, 0, bytes);
        else
          buffer->recv(e.peer, slot, 0, bytes);
        line->add(r);
      } catch (const std::exception& error) {
        r->end(error);  // core hears of a lost connection as of all others: when it asks
      }
    } else {
      if (e.motion == Motion::kSum && e.dtype != Dtype::kF32 && e.dtype != Dtype::kF64)
        throw Error(ErrorCode::kDtype, "Gloo sums f32 and f64");
      std::vector<int64_t> parts;
      if (e.counts) parts = bytes_of_parts(e, own.context->size);
      r->work = [context = own.context, e, parts, tag = own.calls++] {
        collect(context, e, parts, tag);
      };
      own.collectives->add(r);
    }
    *request = handle.release();
  });
}

int32_t test(void*, void* request, int32_t* done, Failure* failure) {
  return guarded(failure, [&] {
    auto* handle = static_cast<Shared*>(request);
    const Request& r = **handle;
    const bool is_over = r.is_over, has_failed = is_over && !r.error.empty();
    *done = is_over && !has_failed;
    if (has_failed && Clock::now() < r.failed_at + kGrace) return;
    if (!is_over) return;
    const std::unique_ptr<Shared> own(handle);
    if (has_failed) throw Error(ErrorCode::kBackend, r.error);
  });
}

void cancel(void*, void* request) {
  const std::unique_ptr<Shared> own(static_cast<Shared*>(request));
  (*own)->buffer->abortWaitRecv();
}

int32_t close(void* world, Failure* failure) {
  return guarded(failure, [&] {
    std::unique_ptr<GlooWorld> own(static_cast<GlooWorld*>(world));
    try {
      gloo::BarrierOptions options(own->context);
      options.setTag(own->calls++);
      gloo::barrier(options);
    } catch (const std::exception& e) {
      static_cast<void>(own.release());  // its threads may wait for ever
      throw Error(ErrorCode::kBackend, std::string("Gloo: ") + e.what());
    }
  });
}

int32_t abandon(void* world) {
  try {
    static_cast<GlooWorld*>(world)->context->closeConnections();
  } catch (const std::exception&) {  // there is nothing left to close
  }
  return 0;
}

constexpr Engine kEngine{kEngineAbi, sizeof(Engine), library, open,   start,
                         test,       cancel,         close,   abandon};

}  // namespace
}  // namespace orthokit

extern "C" const orthokit::Engine* orthokit_engine() { return &orthokit::kEngine; }
