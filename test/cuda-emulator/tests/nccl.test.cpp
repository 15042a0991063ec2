// The stand-in for NCCL: results, the order of calls and streams, and misuse that NCCL leaves
// undefined. Ranks are communicators of this process, on a device each.
#include <nccl.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "support.h"

namespace {

constexpr int kRanks = 3;
constexpr size_t kCount = 1000;

ncclResult_t settled(ncclComm_t comm) {
  ncclResult_t state = ncclInProgress;
  while (state == ncclInProgress) {
    REQUIRE_EQ(ncclCommGetAsyncError(comm, &state), ncclSuccess);
    std::this_thread::yield();
  }
  return state;
}

class Rank {
 public:
  Rank(int rank, const ncclUniqueId& id, int device) : rank(rank), device_(device) {
    CUDA(cudaSetDevice(device));
    stream = std::make_unique<TestStream>();
    CUDA(cudaEventCreateWithFlags(&event_, 0));
    std::vector<float> numbers(kCount * kRanks);
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = float(i + 1000 * size_t(rank));
    x = std::make_unique<Buffer<float>>(numbers, *stream);
    y = std::make_unique<Buffer<float>>(kCount * kRanks, *stream);
    CUDA(cudaMemsetAsync(*y, 0, kCount * kRanks * sizeof(float), *stream));
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    begun = ncclCommInitRankConfig(&comm, kRanks, id, rank, &config);
    REQUIRE_NE(comm, nullptr);
  }
  ~Rank() {
    // The emulator's frees wait for all streams, so that no rank may be under way.
    cudaSetDevice(device_);
    x.reset(), y.reset();
    cudaEventDestroy(event_);
    stream.reset();
  }
  Rank(const Rank&) = delete;
  void mark() { CUDA(cudaEventRecord(event_, *stream)); }
  bool has_come() { return cudaEventQuery(event_) == cudaSuccess; }

  const int rank;
  ncclComm_t comm = nullptr;
  ncclResult_t begun = ncclInternalError;
  std::unique_ptr<TestStream> stream;
  std::unique_ptr<Buffer<float>> x, y;

 private:
  const int device_;
  cudaEvent_t event_ = nullptr;
};

class Ranks {
 public:
  explicit Ranks(const std::vector<int>& devices = {0, 1, 2}) {
    cudaemu_control("devices=3");
    ncclUniqueId id;
    REQUIRE_EQ(ncclGetUniqueId(&id), ncclSuccess);
    for (int r = 0; r < kRanks; ++r)
      all.push_back(std::make_unique<Rank>(r, id, devices[size_t(r)]));
    for (auto& rank : all) {
      state.push_back(settled(rank->comm));
      // A call whose peers were quick says itself what has come of it.
      CHECK((rank->begun == ncclInProgress || rank->begun == state.back()));
    }
  }
  ~Ranks() {
    for (auto& rank : all)
      if (rank->comm) ncclCommAbort(rank->comm);
    all.clear();
    cudaSetDevice(0);
    cudaemu_control("devices=1");
  }
  static void on(const Rank& rank) { CUDA(cudaSetDevice(rank.rank)); }

  // Every rank calls; then all settle, and streams go on until all have come.
  using Call = std::function<ncclResult_t(Rank&)>;
  void call(const Call& call) {
    for (auto& rank : all) {
      on(*rank);
      const ncclResult_t result = call(*rank);
      CHECK((result == ncclSuccess || result == ncclInProgress));
    }
    for (auto& rank : all) {
      CHECK_EQ(settled(rank->comm), ncclSuccess);
      on(*rank);
      rank->mark();
    }
    for (auto& rank : all)
      for (on(*rank); !rank->has_come();) std::this_thread::yield();
  }
  // One that ranks must not make together: some find it when their bytes meet.
  std::string wrong(const Call& call) {
    for (auto& rank : all) {
      on(*rank);
      call(*rank);
    }
    for (;;) {
      for (auto& rank : all) {
        on(*rank);
        cudaStreamQuery(*rank->stream);
        ncclResult_t now = ncclSuccess;
        ncclCommGetAsyncError(rank->comm, &now);
        if (now == ncclInvalidUsage) return ncclGetLastError(rank->comm);
      }
      std::this_thread::yield();
    }
  }

  std::vector<std::unique_ptr<Rank>> all;
  std::vector<ncclResult_t> state;
};

float number(int rank, size_t i) { return float(i + 1000 * size_t(rank)); }

}  // namespace

TEST_CASE("NCCL: collectives in every order of streams") {
  for (const char* order : {"streams=eager", "streams=deferred", "streams=random"}) {
    cudaemu_control(order);
    Ranks ranks;
    ranks.call([](Rank& r) {
      return ncclAllReduce(*r.x, *r.y, kCount, ncclFloat, ncclSum, r.comm, *r.stream);
    });
    for (auto& rank : ranks.all) {
      Ranks::on(*rank);
      const auto y = rank->y->read();
      for (size_t i = 0; i < kCount; ++i)
        REQUIRE_EQ(y[i], number(0, i) + number(1, i) + number(2, i));
    }
    ranks.call(
        [](Rank& r) { return ncclAllGather(*r.x, *r.y, kCount, ncclFloat, r.comm, *r.stream); });
    for (auto& rank : ranks.all) {
      Ranks::on(*rank);
      const auto y = rank->y->read();
      for (size_t i = 0; i < kCount * kRanks; ++i)
        REQUIRE_EQ(y[i], number(int(i / kCount), i % kCount));
    }
    // Of rank 2 in place, and from each rank to the next one, in one group.
    ranks.call([](Rank& r) {
      float* const x = *r.x;
      CHECK_EQ(ncclGroupStart(), ncclSuccess);
      CHECK_EQ(ncclBroadcast(x, x, 5, ncclFloat, 2, r.comm, *r.stream), ncclSuccess);
      CHECK_EQ(ncclSend(x + kCount, 7, ncclFloat, (r.rank + 1) % kRanks, r.comm, *r.stream),
               ncclSuccess);
      CHECK_EQ(ncclRecv(*r.y, 7, ncclFloat, (r.rank + 2) % kRanks, r.comm, *r.stream), ncclSuccess);
      return ncclGroupEnd();
    });
    for (auto& rank : ranks.all) {
      Ranks::on(*rank);
      const auto x = rank->x->read(), y = rank->y->read();
      REQUIRE_EQ(x[4], number(2, 4));
      REQUIRE_EQ(x[5], number(rank->rank, 5));
      REQUIRE_EQ(y[6], number((rank->rank + 2) % kRanks, kCount + 6));
    }
    for (auto& rank : ranks.all) ncclCommFinalize(rank->comm);
    for (auto& rank : ranks.all) {
      CHECK_EQ(settled(rank->comm), ncclSuccess);
      CHECK_EQ(ncclCommDestroy(rank->comm), ncclSuccess);
      ncclResult_t state;
      CHECK_EQ(ncclCommGetAsyncError(rank->comm, &state), ncclInvalidArgument);
      rank->comm = nullptr;
    }
    cudaemu_control("streams=eager");
  }
}

TEST_CASE("NCCL: a call returns before its operation is in the stream") {
  Ranks ranks;
  Rank& first = *ranks.all[0];
  Ranks::on(first);
  CHECK_EQ(ncclAllReduce(*first.x, *first.y, kCount, ncclFloat, ncclSum, first.comm, *first.stream),
           ncclInProgress);
  first.mark();
  CHECK(first.has_come());
  CHECK_EQ(settled(first.comm), ncclSuccess);
  first.mark();
  for (int i = 0; i < 100; ++i) CHECK(!first.has_come());
}

TEST_CASE("NCCL: arguments that are refused") {
  Ranks ranks;
  Rank& r = *ranks.all[1];
  Ranks::on(r);
  float *const x = *r.x, *const y = *r.y, *const other = *ranks.all[0]->x;
  const auto reduce = [&](const void* from, void* to, ncclDataType_t type, ncclRedOp_t op,
                          ncclComm_t comm, cudaStream_t stream) {
    return ncclAllReduce(from, to, kCount, type, op, comm, stream);
  };
  CHECK_EQ(reduce(nullptr, y, ncclFloat, ncclSum, r.comm, *r.stream), ncclInvalidArgument);
  CHECK_EQ(reduce(other, y, ncclFloat, ncclSum, r.comm, *r.stream), ncclInvalidArgument);
  CHECK_EQ(reduce(x + kCount * kRanks - 1, y, ncclFloat, ncclSum, r.comm, *r.stream),
           ncclInvalidArgument);
  CHECK_EQ(reduce(x, y, ncclDataType_t(ncclNumTypes), ncclSum, r.comm, *r.stream),
           ncclInvalidArgument);
  CHECK_EQ(reduce(x, y, ncclFloat, ncclSum, nullptr, *r.stream), ncclInvalidArgument);
  CHECK_EQ(reduce(x, x + 1, ncclFloat, ncclSum, r.comm, *r.stream), ncclInvalidUsage);
  CHECK_EQ(reduce(x, y, ncclInt32, ncclSum, r.comm, *r.stream), ncclInvalidUsage);
  CHECK_EQ(reduce(x, y, ncclFloat, ncclMax, r.comm, *r.stream), ncclInvalidUsage);
  CHECK_EQ(ncclBroadcast(x, x, 5, ncclFloat, kRanks, r.comm, *r.stream), ncclInvalidArgument);
  CHECK_EQ(ncclSend(x, 5, ncclFloat, -1, r.comm, *r.stream), ncclInvalidArgument);
  CHECK_EQ(ncclGroupEnd(), ncclInvalidUsage);
  // One of a group writes and another one reads the same.
  ncclGroupStart();
  ncclRecv(x, 5, ncclFloat, 0, r.comm, *r.stream);
  ncclSend(x + 4, 5, ncclFloat, 2, r.comm, *r.stream);
  CHECK_EQ(ncclGroupEnd(), ncclInvalidUsage);
  // Nothing has come of all that.
  CHECK_EQ(settled(r.comm), ncclSuccess);
  CHECK_EQ(ncclAllReduce(x, y, kCount, ncclFloat, ncclSum, r.comm, *r.stream), ncclInProgress);
  CHECK_EQ(ncclAllReduce(x, y, kCount, ncclFloat, ncclSum, r.comm, *r.stream), ncclInvalidArgument);

  ncclComm_t comm = nullptr;
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  ncclUniqueId id{};
  CHECK_EQ(ncclCommInitRankConfig(&comm, 2, id, 0, &config), ncclInvalidArgument);
  ncclGetUniqueId(&id);
  CHECK_EQ(ncclCommInitRankConfig(&comm, 2, id, 2, &config), ncclInvalidArgument);
  config.magic = 0;
  CHECK_EQ(ncclCommInitRankConfig(&comm, 2, id, 0, &config), ncclInvalidArgument);
}

TEST_CASE("NCCL: calls that differ between ranks") {
  const auto reduce = [](Rank& r, size_t count, ncclDataType_t type) {
    return ncclAllReduce(*r.x, *r.y, count, type, ncclSum, r.comm, *r.stream);
  };
  const auto says = [](const Ranks::Call& call) { return Ranks().wrong(call); };
  CHECK_NE(says([&](Rank& r) {
             return reduce(r, kCount - size_t(r.rank), ncclFloat);
           }).find("AllReduce number 1 of 99"),
           std::string::npos);
  CHECK_NE(says([&](Rank& r) {
             return r.rank == 1 ? reduce(r, 10, ncclDouble) : reduce(r, 10, ncclFloat);
           }).find("of type 8"),
           std::string::npos);
  CHECK_NE(says([&](Rank& r) {
             return r.rank == 1 ? ncclBroadcast(*r.x, *r.x, 10, ncclFloat, 0, r.comm, *r.stream)
                                : reduce(r, 10, ncclFloat);
           }).find("Broadcast"),
           std::string::npos);
  CHECK_NE(says([&](Rank& r) {
             return ncclBroadcast(*r.x, *r.x, 10, ncclFloat, r.rank, r.comm, *r.stream);
           }).find("Broadcast number 1"),
           std::string::npos);
  CHECK_NE(says([&](Rank& r) {
             return r.rank == 0 ? ncclSend(*r.x, 5, ncclFloat, 1, r.comm, *r.stream)
                                : ncclRecv(*r.y, 6, ncclFloat, 0, r.comm, *r.stream);
           }).find("of 5 elements"),
           std::string::npos);
}

TEST_CASE("NCCL: a buffer that changes under way") {
  Ranks ranks;
  for (auto& rank : ranks.all) {
    if (rank->rank == 2) continue;
    Ranks::on(*rank);
    ncclAllReduce(*rank->x, *rank->y, kCount, ncclFloat, ncclSum, rank->comm, *rank->stream);
    CHECK_EQ(settled(rank->comm), ncclSuccess);
  }
  Rank &changed = *ranks.all[0], &last = *ranks.all[2];
  Ranks::on(changed);
  {
    const TestStream beside;
    CUDA(cudaMemsetAsync(*changed.x, 1, 4, beside));
  }
  Ranks::on(last);
  ncclAllReduce(*last.x, *last.y, kCount, ncclFloat, ncclSum, last.comm, *last.stream);
  ncclResult_t state = ncclSuccess;
  while (state != ncclInvalidUsage) ncclCommGetAsyncError(changed.comm, &state);
  CHECK_NE(std::string(ncclGetLastError(changed.comm)).find("somebody has written"),
           std::string::npos);
}

TEST_CASE("NCCL: two ranks on one device") {
  const Ranks ranks({0, 1, 1});
  CHECK_EQ(ranks.state[0], ncclSuccess);
  for (int r : {1, 2}) CHECK_EQ(ranks.state[size_t(r)], ncclInvalidUsage);
  CHECK_NE(std::string(ncclGetLastError(nullptr)).find("Duplicate GPU"), std::string::npos);
}
