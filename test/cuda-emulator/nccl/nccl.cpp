// Stands for libnccl.so between processes of this machine, on devices of the emulator: names,
// arguments, answers and stream order are NCCL's; the order of its sums is not, and neither is how
// bytes travel. It judges what NCCL leaves undefined: calls that differ between ranks, buffers that
// overlap or change under way, devices that two ranks share.
//
// ORTHOKIT_EMULATOR_NCCL=lost-is-told: a rank that ends is an error, as over a network; else the
// others wait. =abort-hangs: ncclCommAbort does not come back, as where a rank of the machine is
// gone. =dies, =stops: the process does so once it has been asked for an operation.
#include "nccl.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "communicator.h"
#include "device_operands.h"

using namespace ncclemu;

namespace {

constexpr char kIdMark[] = "orthokit-nccl-";

std::mutex& last_mutex = *new std::mutex;
std::string& last_text = *new std::string;

ncclResult_t refuse(ncclResult_t why, const std::string& text) {
  remember(text);
  return why;
}

struct Asked {
  ncclComm_t comm;
  cudaStream_t stream;
  Operation operation;
};
thread_local int depth = 0;
thread_local std::vector<Asked> group;
thread_local ncclResult_t group_error = ncclSuccess;

ncclResult_t state_of(ncclComm_t comm) {
  std::unique_lock lock(comm->mutex);
  if (comm->waits) comm->changed.wait(lock, [&] { return comm->state != ncclInProgress; });
  return comm->state;
}

ncclResult_t ready(ncclComm_t comm, const char* call) {
  const std::string name = call;
  if (!comm) return refuse(ncclInvalidArgument, name + ": comm is NULL");
  if (comm->magic != ncclComm::kLive)
    return refuse(ncclInvalidArgument, name + ": the communicator is gone");
  std::lock_guard lock(comm->mutex);
  if (comm->state == ncclInProgress)
    return refuse(ncclInvalidArgument,
                  name + ": the call before it is still in progress on this communicator");
  if (comm->is_finalized) return refuse(ncclInvalidUsage, name + ": it has been finalized");
  return comm->state;
}

bool overlap(const void* a, size_t bytes_of_a, const void* b, size_t bytes_of_b) {
  const auto from = uintptr_t(a), other = uintptr_t(b);
  return from < other + bytes_of_b && other < from + bytes_of_a;
}

ncclResult_t check(const ncclComm& comm, const Operation& o, const char* call) {
  const std::string name = call;
  if (o.type < 0 || o.type >= ncclNumTypes)
    return refuse(ncclInvalidArgument, name + ": invalid type " + std::to_string(o.type));
  if (o.root < 0 || o.root >= comm.size)
    return refuse(ncclInvalidArgument, name + ": invalid root or peer " + std::to_string(o.root));
  if (o.kind == Kind::kAllReduce && o.type != ncclFloat32 && o.type != ncclFloat64)
    return refuse(ncclInvalidUsage, name + ": sums of f32 and f64 alone are emulated");
  const size_t sent = o.bytes_sent(comm.rank), received = o.bytes_received(comm.size);
  const auto lies_wrong = [&](const void* p, size_t bytes) {
    return bytes > 0 && cudaemu_device_of(p, bytes) != comm.device;
  };
  if (lies_wrong(o.send, sent) || lies_wrong(o.receive, received))
    return refuse(ncclInvalidArgument, name + ": a buffer is no memory of the rank's device");
  const size_t place = o.kind == Kind::kAllGather ? o.bytes() * size_t(comm.rank) : 0;
  const bool is_in_place = o.send == static_cast<const char*>(o.receive) + place;
  if (sent > 0 && received > 0 && !is_in_place && overlap(o.send, sent, o.receive, received))
    return refuse(ncclInvalidUsage, name + ": buffers overlap, and it is not in place");
  return ncclSuccess;
}

// Operations of a group run in any order.
ncclResult_t check_together(const std::vector<Operation>& all, const ncclComm& comm) {
  for (const Operation& a : all)
    for (const Operation& b : all) {
      if (&a == &b) continue;
      const size_t written = a.bytes_received(comm.size), read = b.bytes_sent(comm.rank),
                   rewritten = b.bytes_received(comm.size);
      if ((written > 0 && read > 0 && overlap(a.receive, written, b.send, read)) ||
          (written > 0 && rewritten > 0 && overlap(a.receive, written, b.receive, rewritten)))
        return refuse(ncclInvalidUsage, "one operation of a group writes what another one uses");
    }
  return ncclSuccess;
}

ncclResult_t end_group() {
  const auto asked = std::exchange(group, {});
  const ncclResult_t before = std::exchange(group_error, ncclSuccess);
  if (before != ncclSuccess) return before;
  ncclResult_t result = ncclSuccess;
  std::vector<ncclComm_t> comms;
  for (const Asked& one : asked)
    if (std::find(comms.begin(), comms.end(), one.comm) == comms.end()) comms.push_back(one.comm);
  for (ncclComm_t comm : comms) {
    const auto launch = std::make_shared<Launch>();
    for (const Asked& one : asked) {
      if (one.comm != comm) continue;
      if (launch->stream && launch->stream != one.stream)
        return refuse(ncclInvalidUsage, "a group on several streams is not emulated");
      launch->stream = one.stream;
      launch->operations.push_back(one.operation);
    }
    if (const ncclResult_t wrong = check_together(launch->operations, *comm)) return wrong;
    comm->launch(launch);
    if (const ncclResult_t state = state_of(comm)) result = state;
  }
  return result;
}

ncclResult_t enqueue(const char* call, ncclComm_t comm, cudaStream_t stream, const Operation& o) {
  ncclResult_t result = ready(comm, call);
  if (result == ncclSuccess) result = check(*comm, o, call);
  if (result == ncclSuccess && !stream)
    result = refuse(ncclInvalidUsage, "the default stream is not emulated");
  if (result == ncclSuccess && cudaemu_is_capturing(stream))
    result = refuse(ncclInvalidUsage, "a stream that captures is not emulated");
  if (result != ncclSuccess) {
    if (depth > 0 && group_error == ncclSuccess) group_error = result;
    return result;
  }
  group.push_back({comm, stream, o});
  return depth > 0 ? ncclSuccess : end_group();
}

}  // namespace

void ncclemu::remember(const std::string& text) {
  std::fprintf(stderr, "NCCL (emulated): %s\n", text.c_str());
  std::lock_guard lock(last_mutex);
  last_text = text;
}

bool ncclemu::is_set(const char* word) {
  const char* text = std::getenv("ORTHOKIT_EMULATOR_NCCL");
  return text && std::strcmp(text, word) == 0;
}

ncclResult_t ncclGetVersion(int* version) {
  if (!version) return refuse(ncclInvalidArgument, "GetVersion: version is NULL");
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  if (!id) return refuse(ncclInvalidArgument, "GetUniqueId: uniqueId is NULL");
  unsigned char bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != ssize_t(sizeof bytes)) return ncclSystemError;
  *id = {};
  int at = std::snprintf(id->internal, sizeof id->internal, "%s", kIdMark);
  for (unsigned char byte : bytes)
    at += std::snprintf(id->internal + at, sizeof id->internal - size_t(at), "%02x", byte);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (!comm) return refuse(ncclInvalidArgument, "CommInitRankConfig: comm is NULL");
  *comm = nullptr;
  if (ranks < 1 || rank < 0 || rank >= ranks)
    return refuse(ncclInvalidArgument, "CommInitRankConfig: invalid rank");
  if (std::strncmp(id.internal, kIdMark, sizeof kIdMark - 1) != 0 ||
      strnlen(id.internal, sizeof id.internal) != sizeof kIdMark - 1 + 32)
    return refuse(ncclInvalidArgument, "CommInitRankConfig: the id is none of ncclGetUniqueId");
  if (config && (config->size != sizeof *config || config->magic != NCCL_API_MAGIC ||
                 config->version != NCCL_VERSION_CODE ||
                 (config->blocking != NCCL_CONFIG_UNDEF_INT && config->blocking != 0 &&
                  config->blocking != 1)))
    return refuse(ncclInvalidArgument, "CommInitRankConfig: the config was not initialized");
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return ncclUnhandledCudaError;
  // It is never freed, so that a later use is found.
  static auto& all = *new std::vector<ncclComm_t>;
  *comm = new ncclComm(ranks, rank, device, !config || config->blocking != 0);
  {
    std::lock_guard lock(last_mutex);
    all.push_back(*comm);
  }
  (*comm)->begin(id.internal);
  return state_of(*comm);
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  if (const ncclResult_t wrong = ready(comm, "CommFinalize")) return wrong;
  comm->finalize();
  return state_of(comm);
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  if (!comm) return ncclSuccess;
  if (comm->magic != ncclComm::kLive)
    return refuse(ncclInvalidArgument, "CommDestroy: the communicator is gone");
  if (!comm->is_finalized) {
    if (const ncclResult_t wrong = ready(comm, "CommDestroy")) return wrong;
    comm->finalize();
  }
  {
    std::unique_lock lock(comm->mutex);
    comm->changed.wait(lock, [&] { return comm->state != ncclInProgress; });
  }
  comm->end();
  comm->magic = 0;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  if (!comm) return ncclSuccess;
  if (comm->magic != ncclComm::kLive)
    return refuse(ncclInvalidArgument, "CommAbort: the communicator is gone");
  while (is_set("abort-hangs")) pause();
  {
    std::lock_guard lock(comm->mutex);
    comm->is_aborted = true;
    comm->changed.notify_all();
  }
  comm->end();
  comm->magic = 0;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error (run with NCCL_DEBUG=INFO for details)";
    case ncclSystemError:
      return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case ncclInternalError:
      return "internal error - please report this issue to the NCCL developers";
    case ncclInvalidArgument:
      return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    case ncclInvalidUsage:
      return "invalid usage (run with NCCL_DEBUG=WARN for details)";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
    default:
      return "unknown result code";
  }
}

const char* ncclGetLastError(ncclComm_t) {
  static thread_local std::string text;
  std::lock_guard lock(last_mutex);
  text = last_text;
  return text.c_str();
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
  if (!comm || !error || comm->magic != ncclComm::kLive)
    return refuse(ncclInvalidArgument, "CommGetAsyncError: NULL, or a communicator that is gone");
  std::lock_guard lock(comm->mutex);
  *error = comm->state;
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* send, void* receive, size_t count, ncclDataType_t type,
                           ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  if (op != ncclSum) return refuse(ncclInvalidUsage, "AllReduce: sums alone are emulated");
  return enqueue("AllReduce", comm, stream, {Kind::kAllReduce, send, receive, count, type, 0});
}

ncclResult_t ncclBroadcast(const void* send, void* receive, size_t count, ncclDataType_t type,
                           int root, ncclComm_t comm, cudaStream_t stream) {
  return enqueue("Broadcast", comm, stream, {Kind::kBroadcast, send, receive, count, type, root});
}

ncclResult_t ncclAllGather(const void* send, void* receive, size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream) {
  return enqueue("AllGather", comm, stream, {Kind::kAllGather, send, receive, count, type, 0});
}

ncclResult_t ncclSend(const void* send, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t comm, cudaStream_t stream) {
  return enqueue("Send", comm, stream, {Kind::kSend, send, nullptr, count, type, peer});
}

ncclResult_t ncclRecv(void* receive, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return enqueue("Recv", comm, stream, {Kind::kReceive, nullptr, receive, count, type, peer});
}

ncclResult_t ncclGroupStart() {
  ++depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (depth == 0) return refuse(ncclInvalidUsage, "GroupEnd: not in a group call");
  return --depth > 0 ? ncclSuccess : end_group();
}
