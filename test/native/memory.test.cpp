#include "core/memory.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <set>
#include <thread>
#include <vector>

#include "gate.h"

using namespace orthokit;

namespace {

// A backend of which the test knows everything: fails the allocations that it is told to, and
// counts.
struct FakeMemory {
  std::mutex mutex;
  std::set<void*> given;
  int calls = 0, fail_from = 0, fail_to = 0;  // calls [from, to) fail
  int32_t code = int32_t(ErrorCode::kMemory);
  bool double_release = false;
  bool ended = false, used_after_end = false;
  std::function<void()> allocating;
};
FakeMemory* fake = nullptr;

const Backend& fake_backend() {
  static const Backend table = [] {
    Backend b{};
    b.abi = kBackendAbi, b.bytes = sizeof(Backend);
    b.allocate = [](void*, size_t bytes, void** data, Failure* failure) -> int32_t {
      if (fake->allocating) fake->allocating();
      std::lock_guard lock(fake->mutex);
      fake->used_after_end |= fake->ended;
      const int call = ++fake->calls;
      if (call >= fake->fail_from && call < fake->fail_to) {
        std::snprintf(failure->text, sizeof failure->text, "the device has no memory for %zu bytes",
                      bytes);
        return failure->code = fake->code;
      }
      *data = ::operator new(bytes);
      fake->given.insert(*data);
      return 0;
    };
    b.release = [](void*, void* data) {
      std::lock_guard lock(fake->mutex);
      if (fake->given.erase(data) == 0) fake->double_release = true;
      ::operator delete(data);
    };
    b.synchronize = [](void*, Failure*) -> int32_t {
      std::lock_guard lock(fake->mutex);
      fake->used_after_end |= fake->ended;
      return 0;
    };
    return b;
  }();
  return table;
}

struct Pool {
  FakeMemory counters;
  void* handle = &counters;
  Stream stream{[this] {
    memory.release_all();
    std::lock_guard lock(counters.mutex);
    counters.ended = true;
  }};
  int let_go = 0;
  Memory memory{fake_backend(), handle, stream, int64_t(1) << 40, [this] {
                  ++let_go;
                  stream.let_go([] {});
                }};
  Pool() { fake = &counters; }
  ~Pool() {
    stream.halt();
    CHECK(counters.given.empty());
    CHECK_FALSE(counters.double_release);
    CHECK_FALSE(counters.used_after_end);
  }
  void finish() {
    std::promise<void> done;
    stream.submit([&] { done.set_value(); }, 0);
    done.get_future().get();
  }
};

constexpr size_t kMegabyte = size_t(1) << 20;

}  // namespace

TEST_CASE("size classes hold what was asked for and waste little") {
  CHECK(Memory::rounded(0) == 256);
  CHECK(Memory::rounded(1) == 256);
  CHECK(Memory::rounded(256) == 256);
  CHECK(Memory::rounded(257) == 512);
  size_t before = 0;
  for (size_t bytes = 1; bytes < 40 * kMegabyte; bytes += bytes / 7 + 1) {
    const size_t rounded = Memory::rounded(bytes);
    CHECK(rounded >= bytes);
    CHECK(rounded % 256 == 0);
    CHECK(rounded >= before);
    CHECK(Memory::rounded(rounded) == rounded);
    if (bytes > 4096) CHECK(double(rounded) <= 1.125 * double(bytes));
    before = rounded;
  }
}

TEST_CASE("a freed block serves the next tensor of its size") {
  Pool pool;
  void* first = pool.memory.take(1024);
  pool.memory.give(first, 1024);
  CHECK(pool.memory.take(1024) == first);
  CHECK(pool.counters.calls == 1);
  CHECK(pool.memory.take(1024) != first);
  CHECK(pool.memory.take(2048) != first);
  CHECK(pool.counters.calls == 3);
}

TEST_CASE("counters follow live tensors") {
  Pool pool;
  void *a = pool.memory.take(1024), *b = pool.memory.take(2048);
  CHECK(pool.memory.use().live == 2);
  CHECK(pool.memory.use().bytes == 3072);
  pool.memory.give(a, 1024);
  CHECK(pool.memory.use().live == 1);
  CHECK(pool.memory.use().bytes == 2048);
  CHECK(pool.memory.use().peak == 3072);
  pool.memory.give(b, 2048);
  CHECK(pool.memory.use().live == 0);
  CHECK(pool.memory.use().bytes == 0);
}

TEST_CASE("the pool gives back what exceeds its share") {
  Pool pool;
  std::vector<void*> blocks;
  for (int i = 0; i < 200; ++i) blocks.push_back(pool.memory.take(kMegabyte));
  for (void* b : blocks) pool.memory.give(b, kMegabyte);
  CHECK(pool.counters.given.size() <= 64);
  CHECK(pool.counters.given.size() >= 32);
}

TEST_CASE("blocks that queued work may use are not given back") {
  Pool pool;
  Gate gate;
  std::vector<void*> blocks;
  for (int i = 0; i < 200; ++i) blocks.push_back(pool.memory.take(kMegabyte));
  pool.stream.submit([&] { gate.wait(); }, 0);
  gate.await_reached();
  for (void* b : blocks) pool.memory.give(b, kMegabyte);
  CHECK(pool.counters.given.size() == 200);
  gate.open();
  pool.finish();
  pool.memory.give(pool.memory.take(kMegabyte), kMegabyte);
  CHECK(pool.counters.given.size() <= 65);
}

TEST_CASE("without memory, freed blocks of other sizes go back first") {
  Pool pool;
  pool.memory.give(pool.memory.take(1024), 1024);
  pool.memory.give(pool.memory.take(2048), 2048);
  pool.counters.fail_from = 3, pool.counters.fail_to = 4;
  void* block = pool.memory.take(4096);
  CHECK(block != nullptr);
  CHECK(pool.counters.given.size() == 1);
  pool.memory.give(block, 4096);
}

TEST_CASE("without memory, the last resort waits for queued work") {
  Pool pool;
  Gate gate;
  void* used = pool.memory.take(1024);
  pool.stream.submit([&] { gate.wait(); }, 0);
  gate.await_reached();
  pool.memory.give(used, 1024);
  pool.counters.fail_from = 2, pool.counters.fail_to = 4;
  std::thread opener([&] { gate.open(); });
  CHECK(pool.memory.take(4096) != nullptr);
  opener.join();
  CHECK(pool.counters.given.size() == 1);
}

TEST_CASE("the last resort leaves blocks of work that was queued meanwhile") {
  Pool pool;
  Gate before, after;
  void* used = pool.memory.take(1024);
  pool.stream.submit([&] { before.wait(); }, 0);
  before.await_reached();
  pool.counters.fail_from = 2, pool.counters.fail_to = 4;
  std::thread taking([&] { pool.memory.take(4096); });
  while (pool.stream.last() < 2) std::this_thread::yield();
  pool.stream.submit([&] { after.wait(); }, 0);  // uses the block
  pool.memory.give(used, 1024);
  before.open();
  after.await_reached();
  CHECK(pool.counters.given.contains(used));
  after.open();
  taking.join();
  pool.finish();
}

TEST_CASE("blocks of work that is held back are kept, but for the last resort, which lets it go") {
  Pool pool;
  std::vector<void*> used;
  for (int i = 0; i < 4; ++i) used.push_back(pool.memory.take(40 * kMegabyte));
  pool.stream.submit([&] { pool.stream.hold(); }, 0);
  pool.finish();
  for (void* block : used) pool.memory.give(block, 40 * kMegabyte);
  pool.finish();
  CHECK(pool.memory.take(1024) != nullptr);
  for (void* block : used) CHECK(pool.counters.given.contains(block));
  pool.counters.fail_from = 6, pool.counters.fail_to = 8;
  CHECK(pool.memory.take(4096) != nullptr);
  CHECK(pool.let_go == 1);
  for (void* block : used) CHECK_FALSE(pool.counters.given.contains(block));
  pool.finish();
}

// Whichever call of the backend fails first, and however many do: an error that says so, no leak,
// and the next call works.
TEST_CASE("running out of memory at any allocation leaves everything in order") {
  for (int first = 1; first <= 7; ++first)
    for (int count = 1; count <= 4; ++count) {
      CAPTURE(first);
      CAPTURE(count);
      Pool pool;
      pool.counters.fail_from = first, pool.counters.fail_to = first + count;
      std::vector<std::pair<void*, size_t>> live;
      int failed = 0;
      for (size_t bytes : {1024, 2048, 1024, 4096, 512, 8192, 2048, 256}) {
        try {
          live.emplace_back(pool.memory.take(bytes), bytes);
        } catch (const Error& e) {
          ++failed;
          CHECK(e.code == ErrorCode::kMemory);
          CHECK(e.message == "the device has no memory for " + std::to_string(bytes) + " bytes");
        }
        CHECK(pool.memory.use().live == int64_t(live.size()));
        if (live.size() == 3) {
          pool.memory.give(live.front().first, live.front().second);
          live.erase(live.begin());
        }
      }
      CHECK(failed == (count >= 3 ? 1 : 0));  // a call tries three times
      pool.counters.fail_from = pool.counters.fail_to = 0;
      CHECK(pool.memory.take(16384) != nullptr);
      int64_t bytes = 16384;
      for (auto& [data, size] : live) bytes += int64_t(size);
      CHECK(pool.memory.use().bytes == bytes);
    }
}

TEST_CASE("an error that is not about memory is passed on at once") {
  Pool pool;
  pool.counters.code = int32_t(ErrorCode::kBackend);
  pool.counters.fail_from = 1, pool.counters.fail_to = 2;
  try {
    pool.memory.take(1024);
    FAIL("nothing was thrown");
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::kBackend);
  }
  CHECK(pool.counters.calls == 1);
}

TEST_CASE("scratch memory recovers too, and stays until the end") {
  Pool pool;
  pool.memory.give(pool.memory.take(1024), 1024);
  pool.finish();
  pool.counters.fail_from = 2, pool.counters.fail_to = 3;
  std::promise<void*> scratch;
  pool.stream.submit([&] { scratch.set_value(pool.memory.allocate_scratch(kMegabyte)); }, 0);
  CHECK(scratch.get_future().get() != nullptr);
  CHECK(pool.memory.use().live == 0);
  CHECK(pool.counters.given.size() == 1);
}

TEST_CASE("a closed stream gives no memory, and takes back what outlived it") {
  Pool pool;
  void* late = pool.memory.take(1024);
  pool.stream.halt();
  CHECK(pool.counters.given.empty());
  pool.memory.give(late, 1024);
  CHECK(pool.memory.use().live == 0);
  CHECK_THROWS_AS(pool.memory.take(1024), Error);
}

TEST_CASE(
    "the backend stays while it allocates, and keeps nothing that a closed device was given") {
  for (const bool refused : {false, true}) {
    CAPTURE(refused);
    Pool pool;
    pool.memory.give(pool.memory.take(1024), 1024);
    if (refused) pool.counters.fail_from = 2, pool.counters.fail_to = 3;
    pool.counters.allocating = [&] {
      if (pool.stream.closed()) return;
      pool.stream.close(nullptr);
      // Enough for the stream to end, if nothing holds it.
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    };
    try {
      pool.memory.take(4096);
    } catch (const Error& e) {
      CHECK(e.code == ErrorCode::kDisposed);
    }
    pool.stream.join();
  }
}

namespace {
Memory::Shared shared_by(std::function<void()> end, size_t bytes) {
  static char data;
  return {{&data, [end = std::move(end)](void*) { end(); }}, bytes};
}
}  // namespace

TEST_CASE("shared memory ends on the stream's thread, behind the work that was queued") {
  Pool pool;
  std::atomic<int> works{0}, works_at_end{-1};
  std::thread::id ended_on;
  const auto place = pool.memory.hold([&] {
    return shared_by([&] { ended_on = std::this_thread::get_id(), works_at_end = works.load(); },
                     100);
  });
  CHECK(pool.memory.use().live == 1);
  CHECK(pool.memory.use().bytes == 100);
  for (int i = 0; i < 3; ++i)
    pool.stream.submit(
        [&] {
          std::this_thread::sleep_for(std::chrono::milliseconds(2));
          ++works;
        },
        0);
  pool.memory.let_go(place);
  CHECK(pool.memory.use().live == 0);
  CHECK(pool.memory.use().bytes == 0);
  pool.finish();
  pool.finish();
  CHECK(works_at_end == 3);
  CHECK(ended_on != std::this_thread::get_id());
}

TEST_CASE("shared memory that work of a step uses ends when that is let go") {
  Pool pool;
  std::atomic<int> ends{0};
  const auto place = pool.memory.hold([&] { return shared_by([&] { ++ends; }, 100); });
  pool.stream.submit_always([&] { pool.stream.hold(); });
  pool.stream.submit([] {}, 0);
  pool.memory.let_go(place);
  pool.finish();
  pool.finish();
  CHECK(ends == 0);
  pool.stream.submit_always([&] {
    pool.stream.let_go([] {});
    pool.memory.unmap();
  });
  pool.finish();
  CHECK(ends == 1);
}

TEST_CASE("shared memory that is still held ends with the device, and none is made from then on") {
  int ends = 0;
  Pool pool;
  const auto make = [&] { return shared_by([&] { ++ends; }, 100); };
  const auto place = pool.memory.hold(make);
  CHECK_THROWS_AS(pool.memory.hold([]() -> Memory::Shared { throw Error(ErrorCode::kIo, "none"); }),
                  Error);
  CHECK(pool.memory.use().live == 1);
  pool.stream.halt();
  CHECK(ends == 1);
  CHECK_THROWS_AS(pool.memory.hold(make), Error);
  pool.memory.let_go(place);
  CHECK(ends == 1);
  CHECK(pool.memory.use().live == 0);
  CHECK(pool.memory.use().bytes == 0);
}

TEST_CASE("who insists on memory gets what the pool keeps, also behind queued work") {
  Pool pool;
  int calls = 0;
  const auto fail = [&](int times) {
    return [&calls, times] {
      if (++calls <= times) throw Error(ErrorCode::kMemory, "none");
    };
  };
  pool.memory.give(pool.memory.take(kMegabyte), kMegabyte);
  pool.finish();
  pool.memory.insist(1, fail(1));
  CHECK(calls == 2);
  CHECK(pool.memory.use().pooled == 0);
  CHECK(pool.let_go == 0);
  calls = 0;
  pool.memory.insist(1, fail(2));
  CHECK(calls == 3);
  CHECK(pool.let_go == 1);
  calls = 0;
  CHECK_THROWS_AS(pool.memory.insist(1, fail(3)), Error);
  CHECK(calls == 3);
  calls = 0;
  CHECK_THROWS_AS(pool.memory.insist(size_t(1) << 41, fail(0)), Error);
  CHECK(calls == 0);
}
