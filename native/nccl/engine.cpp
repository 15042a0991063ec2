// Collectives over NCCL between CUDA devices: orthokit_nccl.so, compiled against the NCCL that is
// installed. A communicator whose calls do not wait moves tensors, in a stream of its own; words
// travel between the hosts. Memory of the host goes by way of the device.
#include "core/engine.h"

#include <cuda_runtime.h>
#include <nccl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "core/engine_library.h"
#include "core/error.h"
#include "core/op.h"
#include "nccl/meet.h"
#include "nccl/mesh.h"
#include "nccl/rendezvous.h"

#if NCCL_VERSION_CODE < NCCL_VERSION(2, 14, 0)
#error "NCCL 2.14 or later is needed: calls of an older one wait"
#endif

namespace orthokit {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Who ends without a word ends its connections, too: core has this long to find out who it was.
constexpr auto kGrace = seconds(1);
// NCCL may wait for ranks of the same machine while it gives up; they may be gone. A launcher
// leaves the others three seconds to say so.
constexpr auto kAbortPatience = seconds(1);
constexpr int kLeastVersion = 21400;

#define ORTHOKIT_NCCL_NAME                                                                      \
  "NCCL " ORTHOKIT_TEXT(NCCL_MAJOR) "." ORTHOKIT_TEXT(NCCL_MINOR) "." ORTHOKIT_TEXT(NCCL_PATCH) \
      NCCL_SUFFIX
constexpr char kLibrary[] = ORTHOKIT_ENGINE_MARK ORTHOKIT_NCCL_NAME "\n";

void library(char* text, size_t of) { write_library(kLibrary, text, of); }

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw Error(ErrorCode::kBackend, std::string(what) + ": " + cudaGetErrorString(status),
              int32_t(status));
}

// In progress is none: the state of the communicator tells how that went.
void check(ncclResult_t result, const char* what, ncclComm_t comm) {
  if (result == ncclSuccess || result == ncclInProgress) return;
  const char* last = ncclGetLastError(comm);
  throw Error(ErrorCode::kBackend,
              std::string("NCCL: ") + what + ": " + ncclGetErrorString(result) +
                  (last && *last ? std::string(": ") + last : ""),
              int32_t(result));
}

// Memory that grows: of the device, or of the host for its copies.
class Room {
 public:
  explicit Room(bool is_on_device) : is_on_device_(is_on_device) {}
  ~Room() { free(); }
  Room(const Room&) = delete;
  char* get(size_t bytes) {
    if (bytes <= bytes_) return static_cast<char*>(data_);
    free();
    check(is_on_device_ ? cudaMalloc(&data_, bytes)
                        : cudaHostAlloc(&data_, bytes, cudaHostAllocDefault),
          "memory of a bucket");
    bytes_ = bytes;
    return static_cast<char*>(data_);
  }
  char* data() const { return static_cast<char*>(data_); }

 private:
  void free() {
    if (is_on_device_)
      cudaFree(data_);
    else
      cudaFreeHost(data_);
    data_ = nullptr, bytes_ = 0;
  }
  const bool is_on_device_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

struct NcclWorld {
  NcclWorld(int r, int n) : rank(r), size(n), mesh(n) {}
  ~NcclWorld() {
    if (reached) cudaEventDestroy(reached);
    if (stream) cudaStreamDestroy(stream);
  }
  NcclWorld(const NcclWorld&) = delete;
  const int rank, size;
  int device = 0;
  Mesh mesh;
  Caller caller{};
  ncclComm_t comm = nullptr;
  cudaStream_t stream = nullptr;
  cudaEvent_t reached = nullptr;
  bool is_busy = false;  // with a collective
  // Of collectives between memories of hosts: what goes through the device, and results apart.
  Room device_data{true}, device_into{true}, host_data{false}, host_into{false};
};

// A stretch of memory of the host that becomes what came to it.
struct Piece {
  void* to;
  const void* from;
  size_t bytes;
};

struct Request {
  Mesh::Word* word = nullptr;  // null: a collective
  enum class Phase { kCalled, kQueued } phase = Phase::kCalled;
  std::vector<Piece> from_device, to_caller;
  Clock::time_point failed_at{};
};

const char* variable(const char* name, const char* by_default) {
  const char* text = std::getenv(name);
  if (text && *text) return text;
  if (!by_default)
    throw Error(ErrorCode::kBackend,
                std::string(name) + " is not set, which `orthokit run --engine nccl` does");
  return by_default;
}

int number_of(const char* name, const char* by_default = nullptr) {
  const std::string text = variable(name, by_default);
  char* end = nullptr;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (*end || value < 0 || value > 100'000)
    throw Error(ErrorCode::kBackend, std::string(name) + " must be a count, got " + text);
  return int(value);
}

// Of this rank, by its number among those of this machine.
int own_device() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0)
    throw Error(ErrorCode::kBackend,
                std::string("there is no CUDA device for NCCL") +
                    (status == cudaSuccess ? "" : std::string(": ") + cudaGetErrorString(status)));
  return number_of("ORTHOKIT_LOCAL_RANK", "0") % count;
}

// How far the communicator is with the last call.
ncclResult_t state_of(const NcclWorld& own) {
  ncclResult_t state = ncclSuccess;
  check(ncclCommGetAsyncError(own.comm, &state), "ncclCommGetAsyncError", own.comm);
  return state;
}

// False: time is up.
bool await_state(const NcclWorld& own, const char* what, Clock::time_point until) {
  for (ncclResult_t state; (state = state_of(own)) != ncclSuccess;) {
    check(state, what, own.comm);
    if (own.caller.gives_up(own.caller.self)) throw Error(ErrorCode::kBackend, "given up");
    if (Clock::now() >= until) return false;
    std::this_thread::sleep_for(milliseconds(1));
  }
  return true;
}

// On a thread of its own, which is left to itself where NCCL does not come back. True: it has, and
// nothing is in the stream any more. Else the world must stay.
bool abort(NcclWorld& own) {
  if (!own.comm) return true;
  const auto is_over = std::make_shared<std::atomic<bool>>(false);
  std::thread([is_over, comm = own.comm, device = own.device, stream = own.stream] {
    cudaSetDevice(device);
    ncclCommAbort(comm);
    cudaStreamSynchronize(stream);
    *is_over = true;
  }).detach();
  own.comm = nullptr;
  const auto until = Clock::now() + kAbortPatience;
  while (!*is_over && Clock::now() < until) std::this_thread::sleep_for(milliseconds(1));
  return *is_over;
}

int32_t open(void** world, World* about, const Caller* caller, Failure* failure) {
  return guarded(failure, [&] {
    const int rank = number_of("ORTHOKIT_RANK"), size = number_of("ORTHOKIT_RANKS");
    if (rank >= size)
      throw Error(ErrorCode::kBackend, "ORTHOKIT_RANK must be below ORTHOKIT_RANKS, got " +
                                           std::to_string(rank) + " of " + std::to_string(size));
    const auto until = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                          std::chrono::duration<double>(caller->seconds));
    const Rendezvous rendezvous(variable("ORTHOKIT_NCCL_STORE", nullptr));
    gethostname(about->host, sizeof about->host - 1);
    int version = 0;
    check(ncclGetVersion(&version), "ncclGetVersion", nullptr);
    if (version < kLeastVersion)
      throw Error(ErrorCode::kBackend, "NCCL 2.14 or later is needed, got one of version code " +
                                           std::to_string(version));
    auto own = std::make_unique<NcclWorld>(rank, size);
    own->caller = *caller;
    own->device = own_device();
    check(cudaSetDevice(own->device), "cudaSetDevice");
    Meeting meeting;
    if (rank == 0) {
      ncclUniqueId id;
      check(ncclGetUniqueId(&id), "ncclGetUniqueId", nullptr);
      meeting = Rendezvous::make(id);
      rendezvous.put(meeting);
    }
    {
      Meet meet(rendezvous, rank, size, variable("ORTHOKIT_NCCL_HOST", about->host));
      meet.run(rank == 0 ? &meeting : nullptr, *caller, until);
      meeting = meet.meeting();
      for (int r = 0; r < size; ++r)
        if (r != rank) own->mesh.connect(r, meet.take(r));
    }
    check(cudaStreamCreateWithFlags(&own->stream, cudaStreamNonBlocking), "cudaStreamCreate");
    check(cudaEventCreateWithFlags(&own->reached, cudaEventDisableTiming), "cudaEventCreate");
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    try {
      check(ncclCommInitRankConfig(&own->comm, size, meeting.id, rank, &config),
            "ncclCommInitRankConfig", nullptr);
      if (!await_state(*own, "ncclCommInitRankConfig", until))
        throw Error(ErrorCode::kBackend, Meet::no_answer(caller->seconds) +
                                             "all ranks have met, but NCCL does not connect them");
    } catch (const Error&) {
      if (!abort(*own)) static_cast<void>(own.release());
      throw;
    }
    about->rank = rank, about->size = size, about->device = own->device;
    *world = own.release();
  });
}

ncclDataType_t type_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF64:
      return ncclFloat64;
    case Dtype::kF32:
      return ncclFloat32;
    case Dtype::kI32:
      return ncclInt32;
    case Dtype::kF16:
    case Dtype::kBf16:
      return ncclFloat16;  // they are moved alone: NCCL without bf16 will do
    case Dtype::kU8:
      break;
  }
  return ncclUint8;
}

// An exchange as NCCL sees it: all on the device.
struct Move {
  Motion motion;
  ncclDataType_t type;
  size_t item;  // bytes of an element
  char *data, *into;
  int64_t count;
  const int64_t* counts;
  int root;

  int64_t before(int rank) const {  // elements of the ranks below it
    int64_t sum = 0;
    for (int r = 0; r < rank; ++r) sum += counts[r];
    return sum;
  }
  char* part(int rank) const { return data + size_t(before(rank)) * item; }
};

void gather(NcclWorld& own, const Move& m) {
  const bool is_even = std::all_of(m.counts, m.counts + own.size,
                                   [&](int64_t count) { return count == m.counts[0]; });
  if (is_even) {
    check(
        ncclAllGather(m.part(own.rank), m.data, size_t(m.counts[0]), m.type, own.comm, own.stream),
        "ncclAllGather", own.comm);
    return;
  }
  check(ncclGroupStart(), "ncclGroupStart", own.comm);
  ncclResult_t failed = ncclSuccess;
  for (int r = 0; r < own.size && failed == ncclSuccess; ++r)
    if (m.counts[r] > 0)
      failed =
          ncclBroadcast(m.part(r), m.part(r), size_t(m.counts[r]), m.type, r, own.comm, own.stream);
  const ncclResult_t ended = ncclGroupEnd();
  check(failed, "ncclBroadcast", own.comm);
  check(ended, "ncclGroupEnd", own.comm);
}

void exchange(NcclWorld& own, const Move& m) {
  const size_t each = size_t(m.counts[own.rank]), bytes = each * m.item;
  check(cudaMemcpyAsync(m.into + size_t(own.rank) * bytes, m.part(own.rank), bytes,
                        cudaMemcpyDeviceToDevice, own.stream),
        "cudaMemcpyAsync");
  check(ncclGroupStart(), "ncclGroupStart", own.comm);
  ncclResult_t failed = ncclSuccess;
  for (int r = 0; r < own.size; ++r) {
    if (r == own.rank) continue;
    if (failed == ncclSuccess && m.counts[r] > 0)
      failed = ncclSend(m.part(r), size_t(m.counts[r]), m.type, r, own.comm, own.stream);
    if (failed == ncclSuccess && each > 0)
      failed = ncclRecv(m.into + size_t(r) * bytes, each, m.type, r, own.comm, own.stream);
  }
  const ncclResult_t ended = ncclGroupEnd();
  check(failed, "ncclSend, ncclRecv", own.comm);
  check(ended, "ncclGroupEnd", own.comm);
}

void call(NcclWorld& own, const Move& m) {
  const size_t count = size_t(m.count);
  switch (m.motion) {
    case Motion::kSum:
      return check(ncclAllReduce(m.data, m.data, count, m.type, ncclSum, own.comm, own.stream),
                   "ncclAllReduce", own.comm);
    case Motion::kExchange:
      return exchange(own, m);
    case Motion::kGather:
      return gather(own, m);
    case Motion::kBroadcast:
      return check(ncclBroadcast(m.data, m.data, count, m.type, m.root, own.comm, own.stream),
                   "ncclBroadcast", own.comm);
    case Motion::kSend:
    case Motion::kReceive:
      break;
  }
}

// Memory of the host: what this rank gives is copied to the device in front of the call, what comes
// is copied back behind it, by way of pinned memory, so that no copy waits. The caller's own memory
// is touched here and in test() alone.
Move on_device(NcclWorld& own, Move m, const Exchange& e, Request& request) {
  if (e.device != kHostMemory) return m;
  const size_t bytes = size_t(m.count) * m.item;
  const bool has_into = m.motion == Motion::kExchange;
  const size_t of_into = has_into ? size_t(m.counts[own.rank] * own.size) * m.item : 0;
  char *const caller = m.data, *const caller_into = m.into;
  char *const here = own.host_data.get(bytes), *const there = own.device_data.get(bytes);
  char *const here_into = own.host_into.get(of_into), *const there_into =
                                                          own.device_into.get(of_into);
  size_t from = 0, given = bytes;  // of what this rank gives
  if (m.motion == Motion::kGather) {
    from = size_t(m.before(own.rank)) * m.item;
    given = size_t(m.counts[own.rank]) * m.item;
  } else if (m.motion == Motion::kBroadcast && m.root != own.rank) {
    given = 0;
  }
  std::memcpy(here + from, caller + from, given);
  check(cudaMemcpyAsync(there + from, here + from, given, cudaMemcpyHostToDevice, own.stream),
        "cudaMemcpyAsync");
  const auto comes = [&](char* to, char* through, const char* source, size_t n) {
    if (n == 0) return;
    request.from_device.push_back({through, source, n});
    request.to_caller.push_back({to, through, n});
  };
  if (has_into) {
    comes(caller_into, here_into, there_into, of_into);
  } else {
    comes(caller, here, there, m.motion == Motion::kBroadcast && given > 0 ? 0 : bytes);
  }
  m.data = there, m.into = there_into;
  return m;
}

int32_t start(void* world, const Exchange* exchange, void** request, Failure* failure) {
  return guarded(failure, [&] {
    auto& own = *static_cast<NcclWorld*>(world);
    const Exchange& e = *exchange;
    const size_t item = bytes_of(e.dtype);
    auto r = std::make_unique<Request>();
    if (e.motion == Motion::kSend) {
      r->word = own.mesh.send(e.peer, e.tag, e.data, size_t(e.count) * item);
      own.mesh.progress();
    } else if (e.motion == Motion::kReceive) {
      r->word = own.mesh.receive(e.peer, e.tag, e.data, size_t(e.count) * item);
    } else {
      if (e.motion == Motion::kSum && e.dtype != Dtype::kF32 && e.dtype != Dtype::kF64)
        throw Error(ErrorCode::kDtype, "NCCL sums f32 and f64 here");
      if (e.device != kHostMemory && e.device != own.device)
        throw Error(ErrorCode::kDevice, "NCCL moves memory of device " +
                                            std::to_string(own.device) + ", got that of " +
                                            std::to_string(e.device));
      if (own.is_busy || !own.comm)
        throw Error(ErrorCode::kState, "NCCL has one collective under way at a time");
      const Move move = on_device(own,
                                  {e.motion, type_of(e.dtype), item, static_cast<char*>(e.data),
                                   static_cast<char*>(e.into), e.count, e.counts, e.peer},
                                  e, *r);
      call(own, move);
      own.is_busy = true;
    }
    *request = r.release();
  });
}

bool has_come(NcclWorld& own, const Mesh::Word& word) {
  if (word.is_done) return true;
  const Clock::time_point ended = own.mesh.ended_at(word.peer);
  if (ended != Clock::time_point{} && Clock::now() > ended + kGrace)
    throw Error(ErrorCode::kBackend, "NCCL: the connection to the host of rank " +
                                         std::to_string(word.peer) + " has ended");
  return false;
}

// Until the state says that the calls are over, nothing may be in the stream.
bool has_moved(NcclWorld& own, Request& r) {
  const ncclResult_t state = state_of(own);
  if (state == ncclInProgress) return false;
  if (state != ncclSuccess) {
    if (r.failed_at == Clock::time_point{}) r.failed_at = Clock::now();
    if (Clock::now() > r.failed_at + kGrace) check(state, "a collective", own.comm);
    return false;
  }
  if (r.phase == Request::Phase::kCalled) {
    for (const Piece& piece : r.from_device)
      check(cudaMemcpyAsync(piece.to, piece.from, piece.bytes, cudaMemcpyDeviceToHost, own.stream),
            "cudaMemcpyAsync");
    check(cudaEventRecord(own.reached, own.stream), "cudaEventRecord");
    r.phase = Request::Phase::kQueued;
  }
  const cudaError_t status = cudaEventQuery(own.reached);
  if (status == cudaErrorNotReady) return false;
  check(status, "a collective");
  for (const Piece& piece : r.to_caller) std::memcpy(piece.to, piece.from, piece.bytes);
  return true;
}

void drop(NcclWorld& own, Request* request) {
  const std::unique_ptr<Request> r(request);
  if (r->word)
    own.mesh.forget(r->word);
  else
    own.is_busy = false;
}

int32_t test(void* world, void* request, int32_t* done, Failure* failure) {
  return guarded(failure, [&] {
    auto& own = *static_cast<NcclWorld*>(world);
    auto* r = static_cast<Request*>(request);
    try {
      own.mesh.progress();
      *done = r->word ? has_come(own, *r->word) : has_moved(own, *r);
    } catch (const Error&) {
      drop(own, r);
      throw;
    }
    if (*done) drop(own, r);
  });
}

void cancel(void* world, void* request) {
  drop(*static_cast<NcclWorld*>(world), static_cast<Request*>(request));
}

int32_t close(void* world, Failure* failure) {
  return guarded(failure, [&] {
    auto& own = *static_cast<NcclWorld*>(world);
    // If one of these fails the world stays: threads of NCCL may have it still.
    check(ncclCommFinalize(own.comm), "ncclCommFinalize", own.comm);
    await_state(own, "ncclCommFinalize", Clock::time_point::max());
    check(ncclCommDestroy(std::exchange(own.comm, nullptr)), "ncclCommDestroy", nullptr);
    delete &own;
  });
}

int32_t abandon(void* world) {
  auto& own = *static_cast<NcclWorld*>(world);
  const bool is_over = abort(own);
  own.mesh.close();
  return is_over ? 0 : 1;
}

constexpr Engine kEngine{kEngineAbi, sizeof(Engine), library, open,   start,
                         test,       cancel,         close,   abandon};

}  // namespace
}  // namespace orthokit

extern "C" const orthokit::Engine* orthokit_engine() { return &orthokit::kEngine; }
