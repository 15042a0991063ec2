#include "core/stream.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "faults.h"
#include "gate.h"

using namespace orthokit;

namespace {

// The words of a report, awaited.
std::optional<Error> report(Stream& stream) {
  std::promise<std::optional<Error>> told;
  stream.submit_report([&](std::optional<Error> e) { told.set_value(std::move(e)); });
  return told.get_future().get();
}

Stream::Work failing(const char* what) {
  return [what] { throw Error(ErrorCode::kShape, what); };
}

void finish(Stream& stream) {
  std::promise<void> done;
  stream.submit_always([&] { done.set_value(); });
  done.get_future().get();
}

}  // namespace

TEST_CASE("work runs in the order of submission") {
  Stream stream([] {});
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) stream.submit([&order, i] { order.push_back(i); }, 0);
  CHECK_FALSE(report(stream));
  REQUIRE(order.size() == 1000);
  for (int i = 0; i < 1000; ++i) CHECK(order[size_t(i)] == i);
}

TEST_CASE("work that is held is finished when it is let go") {
  Stream stream([] {});
  finish(stream);
  stream.submit_always([&] { stream.hold(); });
  stream.submit([] {}, 0);
  finish(stream);
  finish(stream);
  CHECK(stream.last() == 5);
  CHECK(stream.finished() == 1);
  Ticket before = 0, after = 0;
  stream.submit_always([&] {
    stream.let_go([&] { before = stream.finished(); });
    after = stream.finished();
  });
  finish(stream);
  CHECK(before == 1);
  CHECK(after == 5);
  CHECK(stream.finished() >= 6);
}

TEST_CASE("work that is held is let go where it cannot be given to the device") {
  Stream stream([] {});
  stream.submit_always([&] { stream.hold(); });
  stream.submit_always([&] { stream.let_go(failing("no room")); });
  const auto error = report(stream);
  REQUIRE(error);
  CHECK(error->message == "no room");
  finish(stream);
  CHECK(stream.finished() >= 3);
}

TEST_CASE("work that is held is finished when its device has ended it, and later work is held") {
  Stream stream([] {});
  stream.submit_always([&] { stream.hold(); });
  stream.submit([] {}, 0);
  stream.submit([&] { stream.finish_held(); }, 0);
  finish(stream);
  CHECK(stream.finished() == 2);
  finish(stream);
  CHECK(stream.finished() == 2);
}

TEST_CASE("a look at what work has left runs at the call once all of it has ended") {
  Stream stream([] {});
  Gate gate;
  int left = 0, seen = -1;
  const auto look = [&] { return stream.look_at_once([&] { seen = left; }); };
  stream.submit([&] { gate.wait(); }, 0);
  stream.submit([&] { left = 1; }, 0);
  gate.await_reached();
  CHECK_FALSE(look());
  CHECK(seen == -1);
  gate.open();
  while (!look()) std::this_thread::yield();
  CHECK(seen == 1);
}

TEST_CASE("a look is not at the call after a failure, nor once the stream closes") {
  Stream stream([] {});
  int looks = 0;
  const auto look = [&] { return stream.look_at_once([&] { ++looks; }); };
  stream.submit(failing("first"), 0);
  const auto error = report(stream);
  REQUIRE(error);
  CHECK_FALSE(look());
  stream.reported(*error);
  CHECK_FALSE(look());  // no work has run again
  finish(stream);
  while (!look()) std::this_thread::yield();
  CHECK(looks == 1);
  stream.close([] {});
  CHECK_FALSE(look());
  CHECK(looks == 1);
}

TEST_CASE("small work that can be given up runs at the call unless it has been") {
  Stream stream([] {});
  Pace pace;
  pace.learn(1e-6, 1e-7);
  const auto flag = std::make_shared<Flag>(false);
  About about;
  about.expected = 1e-6;
  about.pace = &pace;
  about.given_up = flag;
  int ran = 0;
  CHECK(stream.run_at_once(about, [&] { ++ran; }));
  *flag = true;
  CHECK_FALSE(stream.run_at_once(about, [&] { ++ran; }));
  CHECK(ran == 1);
}

TEST_CASE("after a failure, queued work is skipped until the failure is reported") {
  Stream stream([] {});
  int ran = 0;
  stream.submit(failing("first"), 0);
  stream.submit([&] { ++ran; }, 0);
  auto error = report(stream);
  REQUIRE(error);
  CHECK(error->code == ErrorCode::kShape);
  CHECK(error->message == "first");
  stream.submit([&] { ++ran; }, 0);
  CHECK(report(stream)->ticket == error->ticket);  // the same failure, still
  CHECK(ran == 0);
  stream.reported(*error);
  stream.submit([&] { ++ran; }, 0);
  CHECK_FALSE(report(stream));
  CHECK(ran == 1);
}

TEST_CASE("work submitted before the report stays skipped, however late it comes to its turn") {
  Stream stream([] {});
  Gate gate;
  int ran = 0;
  stream.submit(failing("early"), 0);
  const auto error = report(stream);
  REQUIRE(error);
  stream.submit_always([&] { gate.wait(); });
  gate.await_reached();
  stream.submit([&] { ran += 1; }, 0);  // built on the failed work
  stream.reported(*error);
  stream.submit([&] { ran += 10; }, 0);
  gate.open();
  CHECK_FALSE(report(stream));
  CHECK(ran == 10);
}

TEST_CASE("a second failure is reported by itself") {
  Stream stream([] {});
  stream.submit(failing("first"), 0);
  stream.submit(failing("skipped"), 0);
  const auto first = report(stream);
  REQUIRE(first);
  stream.reported(*first);
  stream.submit(failing("second"), 0);
  const auto second = report(stream);
  REQUIRE(second);
  CHECK(second->message == "second");
  CHECK(second->ticket > first->ticket);
  stream.reported(*second);
  CHECK_FALSE(report(stream));
}

TEST_CASE("a late report of an old failure does not clear a new one") {
  Stream stream([] {});
  stream.submit(failing("old"), 0);
  const auto old = report(stream), again = report(stream);
  REQUIRE(old);
  REQUIRE(again);
  stream.reported(*old);
  stream.submit(failing("new"), 0);
  finish(stream);
  stream.reported(*again);
  int ran = 0;
  stream.submit([&] { ++ran; }, 0);
  const auto fresh = report(stream);
  REQUIRE(fresh);
  CHECK(fresh->message == "new");
  CHECK(ran == 0);
}

TEST_CASE("a failure between a report and its arrival is kept") {
  Stream stream([] {});
  stream.submit(failing("first"), 0);
  const auto first = report(stream);
  REQUIRE(first);
  stream.reported(*first);
  stream.submit(failing("second"), 0);
  stream.submit([] {}, 0);
  const auto second = report(stream);
  REQUIRE(second);
  CHECK(second->message == "second");
}

TEST_CASE("work that must run does so after a failure, and leaves it") {
  Stream stream([] {});
  int ran = 0;
  stream.submit(failing("first"), 0);
  stream.submit_always([&] { ++ran; });
  stream.submit_always(failing("ignored"));
  const auto error = report(stream);
  REQUIRE(error);
  CHECK(error->message == "first");
  CHECK(ran == 1);
}

TEST_CASE("work that must run and fails is reported where the failure before it has been") {
  Stream stream([] {});
  Gate gate;
  int ran = 0;
  stream.submit(failing("first"), 0);
  const auto first = report(stream);
  REQUIRE(first);
  stream.submit_always([&] { gate.wait(); });
  stream.submit_always(failing("second"));
  stream.reported(*first);
  stream.submit([&] { ++ran; }, 0);
  gate.open();
  const auto second = report(stream);
  REQUIRE(second);
  CHECK(second->message == "second");
  CHECK(ran == 0);
  stream.reported(*second);
  stream.submit([&] { ++ran; }, 0);
  CHECK_FALSE(report(stream));
  CHECK(ran == 1);
}

TEST_CASE("what is not an Error becomes one") {
  Stream stream([] {});
  const auto code_of = [&](Stream::Work work) {
    stream.submit(std::move(work), 0);
    const auto error = report(stream);
    REQUIRE(error);
    stream.reported(*error);
    return error->code;
  };
  CHECK(code_of([] { throw std::bad_alloc(); }) == ErrorCode::kMemory);
  CHECK(code_of([] { throw std::runtime_error("library"); }) == ErrorCode::kBackend);
  CHECK(code_of([] { throw 7; }) == ErrorCode::kBackend);
}

TEST_CASE("close finishes what is queued, then refuses") {
  std::vector<std::string> order;
  Gate gate;
  std::promise<void> closed;
  Stream stream([&] { order.push_back("end"); });
  stream.submit([&] { gate.wait(); }, 0);
  gate.await_reached();
  stream.submit([&] { order.push_back("work"); }, 0);
  stream.close([&] {
    order.push_back("closed");
    closed.set_value();
  });
  CHECK(stream.closed());
  CHECK_THROWS_AS(stream.submit([] {}, 0), Error);
  CHECK_THROWS_AS(stream.close(nullptr), Error);
  CHECK_THROWS_AS(stream.is_short_or([] {}), Error);
  gate.open();
  closed.get_future().get();
  stream.join();
  CHECK(order == std::vector<std::string>{"work", "end", "closed"});
}

TEST_CASE("halt lets the running work end and drops the rest, with what it owns") {
  Gate gate;
  bool first = false, second = false, ended = false;
  auto owned = std::make_shared<int>(1);
  Stream stream([&] { ended = true; });
  stream.submit([&] { gate.wait(), first = true; }, 0);
  gate.await_reached();
  stream.submit([&second, owned] { second = true; }, 0);
  std::thread halting([&] { stream.halt(); });
  while (!stream.closed()) std::this_thread::yield();
  gate.open();
  halting.join();
  CHECK(first);
  CHECK_FALSE(second);
  CHECK(ended);
  CHECK(owned.use_count() == 1);
}

TEST_CASE("a call finds what was written to its memory, of any size, whatever ran in it before") {
  Stream stream([] {});
  struct Told {
    std::vector<size_t> sizes;
    bool good = true;
  } told;
  const auto run = [](void* self, const void* what, std::byte* memory) {
    Told& all = *static_cast<Told*>(self);
    const auto bytes = size_t(static_cast<const char*>(what) - static_cast<const char*>(nullptr));
    all.good = all.good && reinterpret_cast<uintptr_t>(memory) % 16 == 0;
    for (size_t i = 0; i < bytes; ++i) all.good = all.good && memory[i] == std::byte(bytes + i);
    all.sizes.push_back(bytes);
  };
  std::vector<size_t> sizes;
  for (size_t round = 0; round < 3; ++round) {
    Gate gate;
    stream.submit([&] { gate.wait(); }, 0);
    gate.await_reached();
    for (size_t i = 0; i < 700; ++i) {
      const size_t bytes = (i * 37 + round) % 1500;
      sizes.push_back(bytes);
      const auto fill = [&](std::byte* memory) {
        for (size_t k = 0; k < bytes; ++k) memory[k] = std::byte(bytes + k);
      };
      stream.submit({run, &told, static_cast<const char*>(nullptr) + bytes}, bytes, fill, 0);
    }
    gate.open();
    finish(stream);
  }
  CHECK(told.good);
  CHECK(told.sizes == sizes);
}

TEST_CASE("work that follows what runs always is skipped after a failure") {
  Stream stream([] {});
  int ran = 0;
  const auto count = [](void* self, const void*, std::byte*) { ++*static_cast<int*>(self); };
  for (int i = 0; i < 3; ++i) finish(stream);
  stream.submit(failing("first"), 0);
  for (int i = 0; i < 3; ++i)
    stream.submit(
        {count, &ran}, 8, [](std::byte*) {}, 0);
  CHECK(report(stream));
  CHECK(ran == 0);
}

TEST_CASE("64 MB of queued work are refused, and fit again later") {
  Stream stream([] {});
  Gate gate;
  stream.submit([&] { gate.wait(); }, 0);
  gate.await_reached();
  stream.submit([] {}, size_t(60) << 20);
  try {
    stream.submit([] {}, size_t(8) << 20);
    FAIL("nothing was thrown");
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::kMemory);
  }
  gate.open();
  finish(stream);
  stream.submit([] {}, size_t(8) << 20);
  CHECK_FALSE(report(stream));
}

// The queue asks for memory beyond the items that serve again only.
TEST_CASE("work with a report is queued with it or not at all, whichever request fails") {
  int refused = 0;
  for (int queued : {0, 1, 510, 511, 512, 513, 600})
    for (int request = 1; request <= 3; ++request) {
      Stream stream([] {});
      Gate gate;
      stream.submit([&] { gate.wait(); }, 0);
      gate.await_reached();
      for (int i = 0; i < queued; ++i) stream.submit([] {}, 0);
      bool ran = false, told = false, taken = true;
      faults::fail_in(request);
      try {
        stream.submit([&] { ran = true; }, 0, [&](std::optional<Error>) { told = true; });
      } catch (const std::bad_alloc&) {
        taken = false, ++refused;
      }
      faults::fail_in(0);
      gate.open();
      finish(stream);
      CAPTURE(queued);
      CAPTURE(request);
      CHECK(ran == taken);
      CHECK(told == taken);
    }
  CHECK(refused > 0);
}

TEST_CASE("a long queue tells those who wait when it is short again") {
  Stream stream([] {});
  CHECK(stream.is_short_or([] { FAIL("was short already"); }));
  Gate gate;
  std::promise<void> short_again;
  stream.submit([&] { gate.wait(); }, 0);
  gate.await_reached();
  for (int i = 0; i < 5000; ++i) stream.submit([] {}, 0);
  CHECK_FALSE(stream.is_short_or([&] { short_again.set_value(); }));
  auto future = short_again.get_future();
  CHECK(future.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
  gate.open();
  future.get();
  CHECK_FALSE(report(stream));
}

TEST_CASE("work that takes long makes a queue long, however few items it has") {
  Stream stream([] {});
  Pace pace;
  pace.learn(0.01, 0.2);
  CHECK(pace.of(0.02) == doctest::Approx(0.4));
  Gate gate;
  stream.submit([&] { gate.wait(); }, 0);
  gate.await_reached();
  const auto queue_seconds = [&](double seconds) {
    About about;
    about.expected = seconds / 20;
    about.pace = &pace;
    stream.submit([] {}, about);
  };
  for (int i = 0; i < 9; ++i) queue_seconds(0.01);
  CHECK(stream.is_short());
  queue_seconds(0.02);
  CHECK_FALSE(stream.is_short());
  bool told = false;
  CHECK_FALSE(stream.is_short_or([&] { told = true; }));
  gate.open();
  finish(stream);
  finish(stream);
  CHECK(told);
  CHECK(stream.is_short());
  CHECK(pace.of(0.02) < 0.4);  // it took no time
}

TEST_CASE("of work that has never run, few items make a long queue") {
  Stream stream([] {});
  Pace pace;
  const auto queue_unknown = [&] {
    About about;
    about.expected = 1e-6;
    about.pace = &pace;
    stream.submit([] {}, about);
  };
  Gate first, second;
  stream.submit([&] { first.wait(); }, 0);
  first.await_reached();
  for (int i = 0; i < 30; ++i) queue_unknown();
  CHECK(stream.is_short());
  for (int i = 0; i < 10; ++i) queue_unknown();
  CHECK_FALSE(stream.is_short());
  first.open();
  finish(stream);
  stream.submit([&] { second.wait(); }, 0);
  second.await_reached();
  for (int i = 0; i < 100; ++i) queue_unknown();
  CHECK(stream.is_short());
  second.open();
  finish(stream);
}

TEST_CASE("one item alone is a short queue, however long it takes") {
  Stream stream([] {});
  Pace pace;
  Gate gate;
  About about;
  about.expected = 10;
  about.pace = &pace;
  stream.submit([&] { gate.wait(); }, about);
  gate.await_reached();
  CHECK(stream.is_short());
  stream.submit([] {}, about);
  CHECK_FALSE(stream.is_short());
  gate.open();
  finish(stream);
}

TEST_CASE("work that was given up is skipped, or ends early, and is no failure") {
  Stream stream([] {});
  Gate gate;
  const auto given_up = std::make_shared<Flag>(false);
  About about;
  about.given_up = given_up;
  int ran = 0;
  CHECK(running_work_given_up() == nullptr);
  stream.submit(
      [&] {
        ++ran;
        gate.wait();
        if (*running_work_given_up()) throw Error(ErrorCode::kDisposed, "ends early");
        ++ran;
      },
      about);
  gate.await_reached();
  stream.submit([&] { ++ran; }, about);
  const Flag* seen = given_up.get();
  stream.submit([&] { seen = running_work_given_up(), ran += 10; }, 0);
  *given_up = true;
  gate.open();
  CHECK_FALSE(report(stream));
  CHECK(ran == 11);
  CHECK(seen == nullptr);
}

TEST_CASE("a failure before work is given up is still reported") {
  Stream stream([] {});
  const auto given_up = std::make_shared<Flag>(false);
  About about;
  about.given_up = given_up;
  stream.submit(failing("true"), about);
  finish(stream);
  *given_up = true;
  const auto error = report(stream);
  REQUIRE(error);
  CHECK(error->message == "true");
}

TEST_CASE("data that waits to be written counts as a long queue") {
  Stream stream([] {});
  stream.staged(int64_t(300) << 20);
  bool told = false;
  CHECK_FALSE(stream.is_short_or([&] { told = true; }));
  stream.staged(-(int64_t(300) << 20));
  stream.submit([] {}, 0);
  finish(stream);
  finish(stream);
  CHECK(told);
}

// Pauses are about as long as the stream's thread looks for items before it sleeps.
TEST_CASE("items of many threads all run, in the order of each, whether the stream sleeps or not") {
  constexpr int kThreads = 3, kItems = 3000;
  Stream stream([] {});
  std::atomic<int> wrong{0};
  int ran[kThreads] = {};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kItems; ++i) {
        stream.submit([&, t, i] { wrong += ran[t]++ != i; }, 0);
        if (i % 3) continue;
        const auto told = std::make_shared<std::promise<void>>();
        auto future = told->get_future();
        stream.submit_report([told](std::optional<Error>) { told->set_value(); });
        if (future.wait_for(std::chrono::seconds(60)) != std::future_status::ready) {
          ++wrong;
          return;
        }
        const auto until =
            std::chrono::steady_clock::now() + std::chrono::nanoseconds(50 * ((i + t) % 160));
        while (std::chrono::steady_clock::now() < until) {
        }
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK_FALSE(report(stream));
  CHECK(wrong == 0);
  for (const int items : ran) CHECK(items == kItems);
}

TEST_CASE("who waits for a short queue is told, though its last item ends meanwhile") {
  Stream stream([] {});
  Pace pace;
  About about;
  about.expected = 10;
  about.pace = &pace;
  for (int round = 0; round < 5000; ++round) {
    pace.learn(1, 1e6);  // so that two items are a long queue
    for (int i = 0; i < 2; ++i) stream.submit([] {}, about);
    const auto told = std::make_shared<std::promise<void>>();
    auto future = told->get_future();
    if (stream.is_short_or([told] { told->set_value(); })) continue;
    REQUIRE(future.wait_for(std::chrono::seconds(60)) == std::future_status::ready);
  }
}

TEST_CASE("what is queued while the stream halts is refused or dropped, with what it owns") {
  for (int round = 0; round < 50; ++round) {
    auto owned = std::make_shared<int>(1);
    {
      Stream stream([] {});
      std::atomic<int> queued{0};
      std::thread submitting([&] {
        for (;;) try {
            stream.submit([owned] {}, 0);
            ++queued;
          } catch (const Error& e) {
            if (e.code == ErrorCode::kDisposed) return;
            std::this_thread::yield();  // so many wait
          }
      });
      while (queued < round) std::this_thread::yield();
      stream.halt();
      submitting.join();
      CHECK(owned.use_count() == 1);
    }
  }
}

TEST_CASE("tickets count submissions and finished work") {
  Stream stream([] {});
  CHECK(stream.last() == 0);
  stream.submit([] {}, 0);
  stream.submit(failing("counts too"), 0);
  CHECK(report(stream));
  CHECK(stream.last() == 3);
  finish(stream);
  CHECK(stream.finished() >= 3);
}
