// A communicator: what it was asked for, how that goes, and two threads. One brings operations into
// their streams, some time after the call as NCCL does where calls do not wait; one moves bytes.
#pragma once
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "links.h"

namespace ncclemu {

enum class Kind : int32_t { kAllReduce, kBroadcast, kAllGather, kSend, kReceive, kFinalize };

struct Operation {
  Kind kind;
  const void* send;
  void* receive;
  size_t count;
  ncclDataType_t type;
  int root;  // or the peer

  size_t bytes() const;  // of count
  // Read and written by this rank.
  size_t bytes_sent(int rank) const;
  size_t bytes_received(int ranks) const;
};

// The operations of a group, and their bytes as the stream came to them.
struct Launch {
  cudaStream_t stream;
  std::vector<Operation> operations;
  std::vector<std::vector<char>> inputs, outputs;  // of each
};

}  // namespace ncclemu

struct ncclComm {
  static constexpr uint64_t kLive = 0x0c011ec7ed;
  ncclComm(int size, int rank, int device, bool waits)
      : size(size), rank(rank), device(device), waits(waits) {}

  void begin(std::string name);
  void launch(std::shared_ptr<ncclemu::Launch>);
  void finalize();
  void end();  // its threads
  void fail(ncclResult_t, const std::string& text);

  uint64_t magic = kLive;
  const int size, rank, device;
  const bool waits;  // calls wait

  std::mutex mutex;
  std::condition_variable changed;
  ncclResult_t state = ncclInProgress;
  bool is_aborted = false, ends = false, is_finalized = false;
  int unfinished = 0;  // launches

 private:
  using Queue = std::deque<std::shared_ptr<ncclemu::Launch>>;
  void issue();
  bool take(const std::shared_ptr<ncclemu::Launch>&);
  void move(const std::string& name);
  void exchange(ncclemu::Launch&);
  bool was_aborted();
  std::shared_ptr<ncclemu::Launch> next(Queue&);

  Queue asked_, begun_;
  bool finalizes_ = false;
  ncclemu::Links links_;
  uint64_t collectives_ = 0;
  std::vector<uint64_t> sends_, receives_;  // to and from each rank
  std::thread issuer_, mover_;
};

namespace ncclemu {
void remember(const std::string& text);  // for ncclGetLastError, and says it
bool is_set(const char* word);           // in ORTHOKIT_EMULATOR_NCCL
}
