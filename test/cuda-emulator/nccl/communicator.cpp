#include "communicator.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <utility>

#include "device_operands.h"

using namespace ncclemu;

namespace {

struct Header {  // goes before the bytes of an operation, to every rank that has a part in it
  Kind kind;
  int32_t type, root;
  uint64_t number, count, bytes;
};

constexpr const char* kNames[] = {"AllReduce", "Broadcast", "AllGather",
                                  "Send",      "Recv",      "Finalize"};

std::string words(const Header& h) {
  return std::string(kNames[int(h.kind)]) + " number " + std::to_string(h.number) + " of " +
         std::to_string(h.count) + " elements of type " + std::to_string(h.type) + ", root " +
         std::to_string(h.root);
}

bool is_between_two(Kind kind) { return kind == Kind::kSend || kind == Kind::kReceive; }

// In an order that is not that of ranks and differs by element, as a ring's.
template <class T>
void add(const std::vector<const char*>& parts, size_t count, std::vector<char>& out) {
  const size_t n = parts.size(), each = count / n + 1;
  T* sums = reinterpret_cast<T*>(out.data());
  for (size_t i = 0; i < count; ++i)
    for (size_t j = 0; j < n; ++j) {
      const T x = reinterpret_cast<const T*>(parts[(i / each + j + 1) % n])[i];
      sums[i] = j == 0 ? x : sums[i] + x;
    }
}

void go_on(cudaStream_t stream) {
  cudaemu_end(
      stream, [](void*) {}, nullptr);
}

void copy_from(std::vector<char>& to, const void* from, size_t bytes) {
  to.resize(bytes);
  if (bytes > 0) std::memcpy(to.data(), from, bytes);
}

}  // namespace

size_t Operation::bytes() const {
  constexpr size_t kBytes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
  return count * kBytes[type];
}
size_t Operation::bytes_sent(int rank) const {
  if (kind == Kind::kReceive || (kind == Kind::kBroadcast && rank != root)) return 0;
  return bytes();
}
size_t Operation::bytes_received(int ranks) const {
  if (kind == Kind::kSend) return 0;
  return kind == Kind::kAllGather ? bytes() * size_t(ranks) : bytes();
}

void ncclComm::begin(std::string name) {
  sends_.resize(size_t(size)), receives_.resize(size_t(size));
  issuer_ = std::thread([this] { issue(); });
  mover_ = std::thread([this, name = std::move(name)] { move(name); });
}

void ncclComm::end() {
  {
    std::lock_guard lock(mutex);
    ends = true;
    changed.notify_all();
  }
  issuer_.join();
  mover_.join();
}

void ncclComm::fail(ncclResult_t why, const std::string& text) {
  remember(text);
  std::lock_guard lock(mutex);
  if (state == ncclSuccess || state == ncclInProgress) state = why;
  changed.notify_all();
}

bool ncclComm::was_aborted() {
  std::lock_guard lock(mutex);
  return is_aborted || ends;
}

void ncclComm::launch(std::shared_ptr<Launch> launch) {
  std::lock_guard lock(mutex);
  state = ncclInProgress;
  ++unfinished;
  asked_.push_back(std::move(launch));
  changed.notify_all();
}

void ncclComm::finalize() {
  std::lock_guard lock(mutex);
  state = ncclInProgress;
  finalizes_ = is_finalized = true;
  changed.notify_all();
}

std::shared_ptr<Launch> ncclComm::next(Queue& queue) {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] {
    return ends || is_aborted || !queue.empty() ||
           (&queue == &begun_ && finalizes_ && unfinished == 0);
  });
  if (queue.empty() || is_aborted) return nullptr;
  auto launch = queue.front();
  queue.pop_front();
  return launch;
}

// False: nobody is there any more to do it.
bool ncclComm::take(const std::shared_ptr<Launch>& launch) {
  std::lock_guard lock(mutex);
  if (is_aborted || ends) return false;
  begun_.push_back(launch);
  changed.notify_all();
  return true;
}

void ncclComm::issue() {
  cudaSetDevice(device);
  while (const auto launch = next(asked_)) {
    // Who takes a stream for its own before the call is over finds nothing in it yet.
    std::this_thread::sleep_for(std::chrono::microseconds(300));
    if (is_set("dies")) raise(SIGKILL);
    if (is_set("stops")) raise(SIGSTOP);
    struct Begun {
      ncclComm* comm;
      std::shared_ptr<Launch> launch;
    };
    const cudaError_t status = cudaemu_enqueue_held(
        launch->stream,
        [](void* argument) {
          const auto& [comm, launch] = *static_cast<Begun*>(argument);
          for (const Operation& o : launch->operations) {
            const size_t sent = o.bytes_sent(comm->rank), received = o.bytes_received(comm->size);
            launch->inputs.emplace_back();
            launch->outputs.emplace_back();
            if (sent > 0 && cudaemu_check_read(o.send, sent, kNames[int(o.kind)]))
              copy_from(launch->inputs.back(), o.send, sent);
            launch->inputs.back().resize(sent);
            if (received > 0 && cudaemu_device_of(o.receive, received) >= 0)
              copy_from(launch->outputs.back(), o.receive, received);
            launch->outputs.back().resize(received);
          }
          if (!comm->take(launch)) go_on(launch->stream);
        },
        [](void* argument) { delete static_cast<Begun*>(argument); }, new Begun{this, launch},
        "ncclGroupEnd");
    if (status != cudaSuccess) {
      fail(ncclUnhandledCudaError, std::string("the stream: ") + cudaGetErrorString(status));
      continue;
    }
    std::lock_guard lock(mutex);
    if (state == ncclInProgress) state = ncclSuccess;
    changed.notify_all();
  }
}

void ncclComm::exchange(Launch& launch) {
  struct Expected {
    size_t operation;
    Header header;
  };
  std::vector<Links::Way> ways{size_t(size)};
  std::vector<std::deque<Expected>> expected{size_t(size)};
  // Of each operation, the bytes of each rank.
  std::vector<std::vector<std::vector<char>>> come(launch.operations.size());
  for (size_t i = 0; i < launch.operations.size(); ++i) {
    const Operation& o = launch.operations[i];
    come[i].resize(size_t(size));
    if (!is_between_two(o.kind)) ++collectives_;
    for (int r = 0; r < size; ++r) {
      if (is_between_two(o.kind) && r != o.root) continue;
      uint64_t sent = collectives_, received = collectives_;
      if (o.kind == Kind::kSend) sent = ++sends_[size_t(r)];
      if (o.kind == Kind::kReceive) received = ++receives_[size_t(r)];
      const int root = is_between_two(o.kind) ? 0 : o.root;
      if (o.kind != Kind::kReceive) {
        const std::vector<char>& input = launch.inputs[i];
        const Header header{o.kind, o.type, root, sent, o.count, input.size()};
        auto& out = ways[size_t(r)].out;
        const char* bytes = reinterpret_cast<const char*>(&header);
        out.insert(out.end(), bytes, bytes + sizeof header);
        out.insert(out.end(), input.begin(), input.end());
      }
      if (o.kind != Kind::kSend) {
        const Kind kind = o.kind == Kind::kReceive ? Kind::kSend : o.kind;
        const bool is_empty = o.kind == Kind::kBroadcast ? r != o.root : o.kind == Kind::kFinalize;
        expected[size_t(r)].push_back(
            {i, {kind, o.type, root, received, o.count, is_empty ? 0 : o.bytes()}});
      }
    }
  }
  // Bytes of a rank to itself take no wire.
  std::vector<Header> headers{size_t(size)};
  std::vector<bool> reads_bytes(size_t(size), false);
  std::vector<bool> has_begun(size_t(size), false);
  const auto accept = [&](int r, const Header& h) {
    const Header& wanted = expected[size_t(r)].front().header;
    if (h.kind != wanted.kind || h.type != wanted.type || h.root != wanted.root ||
        h.number != wanted.number || h.count != wanted.count || h.bytes != wanted.bytes)
      throw Refused(ncclInvalidUsage, "rank " + std::to_string(r) + " came with " + words(h) +
                                          ", and rank " + std::to_string(rank) + " with " +
                                          words(wanted));
  };
  const auto more = [&](int r) {
    Links::Way& way = ways[size_t(r)];
    auto& list = expected[size_t(r)];
    if (has_begun[size_t(r)] && !reads_bytes[size_t(r)]) {
      accept(r, headers[size_t(r)]);
      auto& bytes = come[list.front().operation][size_t(r)];
      bytes.resize(list.front().header.bytes);
      reads_bytes[size_t(r)] = true;
      way.in = bytes.data(), way.wanted = bytes.size(), way.come = 0;
      if (!bytes.empty()) return;
    }
    if (has_begun[size_t(r)]) list.pop_front();
    has_begun[size_t(r)] = true, reads_bytes[size_t(r)] = false;
    way.in = reinterpret_cast<char*>(&headers[size_t(r)]);
    way.wanted = list.empty() ? 0 : sizeof(Header), way.come = 0;
  };
  Links::Way& own = ways[size_t(rank)];
  for (size_t at = 0; !expected[size_t(rank)].empty(); expected[size_t(rank)].pop_front()) {
    Header header{};
    if (own.out.size() - at < sizeof header)
      throw Refused(ncclInvalidUsage, "a rank that receives from itself sends nothing to itself");
    std::memcpy(&header, own.out.data() + at, sizeof header);
    accept(rank, header);
    at += sizeof header;
    come[expected[size_t(rank)].front().operation][size_t(rank)].assign(
        own.out.begin() + long(at), own.out.begin() + long(at + header.bytes));
    at += header.bytes;
  }
  own = {};
  links_.move(ways, more, [this] { return was_aborted(); });

  for (size_t i = 0; i < launch.operations.size(); ++i) {
    const Operation& o = launch.operations[i];
    std::vector<char>& out = launch.outputs[i];
    if (o.kind == Kind::kReceive || o.kind == Kind::kBroadcast) {
      out = come[i][size_t(o.root)];
    } else if (o.kind == Kind::kAllGather) {
      out.clear();
      for (const auto& part : come[i]) out.insert(out.end(), part.begin(), part.end());
    } else if (o.kind == Kind::kAllReduce) {
      std::vector<const char*> parts;
      for (const auto& part : come[i]) parts.push_back(part.data());
      if (o.type == ncclFloat64)
        add<double>(parts, o.count, out);
      else
        add<float>(parts, o.count, out);
    }
  }
}

void ncclComm::move(const std::string& name) {
  try {
    Hello hello{size, rank, device, {}};
    gethostname(hello.machine, sizeof hello.machine - 1);
    links_.connect(name, hello, [this] { return was_aborted(); });
  } catch (const Refused& e) {
    return fail(e.code, e.what());
  } catch (const Aborted&) {
    return;
  }
  {
    std::lock_guard lock(mutex);
    state = ncclSuccess;
    changed.notify_all();
  }
  while (const auto launch = next(begun_)) {
    struct Ending {
      Launch* launch;
      std::vector<std::vector<char>> before;
      const ncclComm* comm;
      bool is_whole = true;
      const char* wrong = nullptr;
    } ending{launch.get(), launch->outputs, this};
    try {
      exchange(*launch);
    } catch (const Refused& e) {
      // As on a card the stream does not go on before the communicator is aborted.
      fail(e.code, e.what());
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return is_aborted || ends; });
      ending.is_whole = false;
    } catch (const Aborted&) {
      ending.is_whole = false;
    }
    cudaemu_end(
        launch->stream,
        [](void* argument) {
          Ending& e = *static_cast<Ending*>(argument);
          if (!e.is_whole) return;
          const auto is_same = [](const void* p, const std::vector<char>& bytes) {
            return bytes.empty() || (cudaemu_device_of(p, bytes.size()) >= 0 &&
                                     std::memcmp(p, bytes.data(), bytes.size()) == 0);
          };
          const auto& operations = e.launch->operations;
          for (size_t i = 0; i < operations.size(); ++i)
            if (!is_same(operations[i].send, e.launch->inputs[i]) ||
                !is_same(operations[i].receive, e.before[i]))
              e.wrong = kNames[int(operations[i].kind)];
          if (e.wrong) return;
          for (size_t i = 0; i < operations.size(); ++i) {
            const auto& bytes = e.launch->outputs[i];
            if (bytes.empty()) continue;
            if (cudaemu_check_write(operations[i].receive, bytes.size(), "NCCL"))
              std::memcpy(operations[i].receive, bytes.data(), bytes.size());
          }
        },
        &ending);
    if (ending.wrong)
      fail(ncclInvalidUsage, std::string("somebody has written to a buffer, or freed it, while ") +
                                 ending.wrong + " was under way");
    std::lock_guard lock(mutex);
    --unfinished;
    changed.notify_all();
  }
  {
    std::unique_lock lock(mutex);
    if (is_aborted) {
      const Queue left = std::exchange(begun_, {});
      lock.unlock();
      for (const auto& launch : left) go_on(launch->stream);
      return;
    }
    if (!finalizes_) return;
  }
  try {
    Launch last{nullptr, {{Kind::kFinalize, nullptr, nullptr, 0, ncclInt8, 0}}, {{}}, {{}}};
    exchange(last);
    std::lock_guard lock(mutex);
    if (state == ncclInProgress) state = ncclSuccess;
    changed.notify_all();
  } catch (const Refused& e) {
    fail(e.code, e.what());
  } catch (const Aborted&) {
  }
}
