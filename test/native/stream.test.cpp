#include "core/stream.h"

#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <vector>

#include "faults.h"
#include "gate.h"

using namespace orthokit;

namespace {

// What a report says, awaited.
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

// The queue asks for memory at some of its sizes only.
TEST_CASE("work with a report is queued with it or not at all, whichever request fails") {
  int refused = 0;
  for (int queued = 0; queued < 40; ++queued)
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
