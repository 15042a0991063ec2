#include "core/device.h"

#include <doctest/doctest.h>

#include <chrono>
#include <future>

#include "faults.h"
#include "gate.h"
#include "ops.h"
#include "ops/elementwise/fill.h"
#include "ops/reductions/norms.h"

using namespace orthokit;

namespace {

std::vector<float> values(Device& device, const Tensor& tensor) {
  std::vector<float> data(size_t(tensor.view().size()));
  device.read(tensor, data.data(), [](auto) {});
  device.synchronize();
  return data;
}

}  // namespace

TEST_CASE("a kernel body that throws surfaces as the error of its op") {
  for (int threads : {1, 2, 5}) {
    auto device = Device::open("cpu", threads);
    for (int64_t at : {0, 3, 99}) {
      device->run(test::ParallelFailure{.at = at});
      try {
        device->synchronize();
        FAIL("nothing was thrown");
      } catch (const Error& e) {
        CHECK(e.code == ErrorCode::kArgument);
        CHECK(e.message == "testParallelFailure: part " + std::to_string(at));
      }
      const Tensor x = device->empty({3}, Dtype::kF32);
      device->run(Fill{.x = {x}, .value = 2});
      CHECK(values(*device, x) == std::vector<float>{2, 2, 2});
    }
  }
}

TEST_CASE("work after a failure is skipped until someone has been told") {
  auto device = Device::open("cpu", 2);
  const Tensor x = device->empty({2}, Dtype::kF32);
  device->run(Fill{.x = {x}, .value = 1});
  device->run(test::ParallelFailure{.at = 0});
  device->run(Fill{.x = {x}, .value = 5});
  CHECK_THROWS_AS(device->synchronize(), Error);
  CHECK(values(*device, x) == std::vector<float>{1, 1});
}

TEST_CASE("small work runs at once where nothing waits, and fails as queued work does") {
  auto device = Device::open("cpu", 2);
  const Tensor x = device->empty({2}, Dtype::kF32);
  device->run(Fill{.x = {x}, .value = 1});
  std::thread::id ran;
  bool fails = false;
  test::hook = [&] {
    ran = std::this_thread::get_id();
    if (fails) throw Error(ErrorCode::kArgument, "bad");
  };
  const auto here = [&] { return ran == std::this_thread::get_id(); };
  // It takes a few runs to learn how long one takes, and one that is disturbed queues the next.
  const auto run_until_here = [&](auto&& run) {
    ran = {};
    for (int i = 0; i < 10'000 && !here(); ++i) run();
    CHECK(here());
  };
  run_until_here([&] {
    device->synchronize();
    device->run(test::Hook{});
  });
  run_until_here([&] {
    fails = false;
    device->synchronize();
    device->run(test::Hook{});
    device->synchronize();
    fails = true, ran = {};
    device->run(test::Hook{});
    device->run(Fill{.x = {x}, .value = 5});
    CHECK_THROWS_WITH_AS(device->synchronize(), "testHook: bad", Error);
  });
  CHECK(values(*device, x) == std::vector<float>{1, 1});
  device->run(Fill{.x = {x}, .value = 5});
  CHECK(values(*device, x) == std::vector<float>{5, 5});
}

TEST_CASE("an op that is given up ends with the parts that have begun, and is no failure") {
  for (int threads : {1, 4}) {
    auto device = Device::open("cpu", threads);
    const Tensor x = device->empty({2}, Dtype::kF32);
    device->run(Fill{.x = {x}, .value = 1});
    const auto given_up = std::make_shared<Flag>(false);
    std::atomic<int> ran{0};
    test::part = [&](int64_t i) {
      if (i >= 10) *given_up = true;
      ++ran;
    };
    const auto run = [&](const auto& op) { device->run(*registry().find(op.name), &op, given_up); };
    run(test::Parts{.count = 1'000'000});
    device->synchronize();
    CHECK(ran >= 1);
    CHECK(ran < 100);
    run(Fill{.x = {x}, .value = 2});
    CHECK(values(*device, x) == std::vector<float>{1, 1});
    device->run(Fill{.x = {x}, .value = 3});
    CHECK(values(*device, x) == std::vector<float>{3, 3});
  }
}

TEST_CASE("a composition that is given up ends before its next part") {
  auto device = Device::open("cpu", 1);
  const auto given_up = std::make_shared<Flag>(false);
  int ran = 0;
  test::hook = [&] { ++ran, *given_up = true; };
  test::body = [&](Composer& c) { c.run(test::Hook{}), c.run(test::Hook{}); };
  const test::Composed op;
  device->run(*registry().find(op.name), &op, given_up);
  device->synchronize();
  CHECK(ran == 1);
}

TEST_CASE("temporaries nest: a scope's end frees its own and keeps the others") {
  auto device = Device::open("cpu", 1);
  std::string problem;
  test::body = [&](Composer& c) {
    const View outer = c.temporary({100}, Dtype::kF32);
    void *first, *large;
    {
      const Composer::Scope scope(c);
      first = c.temporary({10}, Dtype::kF64).data;
      large = c.temporary({1 << 20}, Dtype::kF32).data;  // needs a chunk of its own
      if (first == outer.data || large == first) problem = "temporaries overlap";
    }
    {
      const Composer::Scope scope(c);
      if (c.temporary({10}, Dtype::kF64).data != first) problem = "the scope's end did not free";
      if (c.temporary({1 << 20}, Dtype::kF32).data != large)
        problem = "the large chunk is not used again";
    }
    if (c.temporary({10}, Dtype::kF64).data != first)
      problem = "the stack did not return to the outer level";
    if (reinterpret_cast<uintptr_t>(outer.data) % 256 != 0) problem = "not aligned";
    if (!c.temporary({0}, Dtype::kF32)) problem = "an empty temporary is missing";
    c.run(Fill{.x = {outer}, .value = 3});
    if (outer.as<float>()[99] != 3) problem = "the op inside did not run at once";
  };
  device->run(test::Composed{});
  device->synchronize();
  CHECK(problem == "");
}

TEST_CASE("without memory for room to grow, a temporary takes what it needs, and what lies idle") {
  auto device = Device::open("cpu", 1);
  constexpr int64_t kMegabyte = 1 << 20;
  std::string problem;
  test::body = [&](Composer& c) {
    {
      const Composer::Scope scope(c);
      c.temporary({4 * kMegabyte}, Dtype::kU8);
    }
    const int64_t before = faults::live_blocks();
    const faults::LargestBlock limit(6 * kMegabyte);
    const View large = c.temporary({5 * kMegabyte}, Dtype::kU8);
    if (faults::live_blocks() != before) problem = "the idle block is kept";
    const View small = c.temporary({kMegabyte}, Dtype::kU8);
    if (faults::live_blocks() != before + 1) problem = "a block in use went";
    c.run(Fill{.x = {large, small}, .value = 1});
    try {
      c.temporary({7 * kMegabyte}, Dtype::kU8);
      problem = "nothing was thrown";
    } catch (const Error& e) {
      if (e.message != "testComposed: the device has no memory for 7340032 bytes")
        problem = e.message;
    }
  };
  device->run(test::Composed{});
  device->synchronize();
  CHECK(problem == "");
}

TEST_CASE("a temporary that fails keeps no block, whichever request for memory does") {
  int64_t kept = 0;
  int failed = 0;
  for (int request = 1; request <= 5; ++request) {
    auto device = Device::open("cpu", 1);
    test::body = [&](Composer& c) {
      const int64_t before = faults::live_blocks();
      faults::fail_in(request);
      try {
        c.temporary({100}, Dtype::kF32);
      } catch (const std::bad_alloc&) {
        ++failed, kept += faults::live_blocks() - before;
      }
      faults::fail_in(0);
    };
    device->run(test::Composed{});
    device->synchronize();
  }
  CHECK(failed >= 3);
  CHECK(kept == 0);
}

TEST_CASE("a kernel without scratch memory says why") {
  const auto failure = [](const char* words) {
    auto device = Device::open("cpu", 1);
    const Tensor x = device->empty({5000}, Dtype::kF32), out = device->empty({1}, Dtype::kF64);
    const faults::LargestBlock none(0, words);
    device->run(Norms{.x = {x}, .out = out});
    try {
      device->synchronize();
    } catch (const Error& e) {
      return e;
    }
    return Error(ErrorCode::kNone, "nothing was thrown");
  };
  const Error memory = failure(nullptr), lost = failure("the driver is gone");
  CHECK(memory.code == ErrorCode::kMemory);
  CHECK(memory.message == "norms: the device has no memory for 256 bytes");
  CHECK(lost.code == ErrorCode::kBackend);
  CHECK(lost.message == "norms: the driver is gone");
  CHECK(lost.native == 700);
}

TEST_CASE("what fails inside a composition keeps the name of the part that failed") {
  auto device = Device::open("cpu", 2);
  test::body = [](Composer& c) { c.run(test::ParallelFailure{.at = 1}); };
  device->run(test::Composed{});
  try {
    device->synchronize();
    FAIL("nothing was thrown");
  } catch (const Error& e) {
    CHECK(e.message == "testParallelFailure: part 1");
  }
}

TEST_CASE("close runs what is queued; later calls are refused") {
  auto device = Device::open("cpu", 1);
  Gate gate;
  int ran = 0;
  test::hook = [&] {
    if (++ran == 1) gate.wait();
  };
  device->run(test::Hook{});
  gate.await_reached();
  device->run(test::Hook{});
  std::promise<void> closed;
  device->close([&] { closed.set_value(); });
  CHECK_THROWS_AS(device->run(test::Hook{}), Error);
  CHECK_THROWS_AS(device->empty({1}, Dtype::kF32), Error);
  gate.open();
  closed.get_future().get();
  CHECK(ran == 2);
}

TEST_CASE("halt drops what is queued") {
  auto device = Device::open("cpu", 1);
  const Tensor x = device->empty({1000}, Dtype::kF32);
  Gate gate;
  int ran = 0;
  test::hook = [&] {
    if (++ran == 1) gate.wait();
  };
  device->run(test::Hook{});
  gate.await_reached();
  device->run(test::Hook{});
  const std::vector<float> data(1000);
  device->write(x, data.data());
  std::thread halting([&] { device->halt(); });
  while (!device->closed()) std::this_thread::yield();
  gate.open();
  halting.join();
  CHECK(ran == 1);
}

TEST_CASE("halt ends a composition before its next part") {
  auto device = Device::open("cpu", 1);
  Gate gate;
  int ran = 0;
  test::hook = [&] { ++ran; };
  test::body = [&](Composer& c) {
    c.run(test::Hook{});
    gate.wait();
    c.run(test::Hook{});
  };
  device->run(test::Composed{});
  gate.await_reached();
  std::thread halting([&] { device->halt(); });
  while (!device->closed()) std::this_thread::yield();
  gate.open();
  halting.join();
  CHECK(ran == 1);
}

TEST_CASE("who waits for work that halt drops is told") {
  auto device = Device::open("cpu", 1);
  Gate gate;
  test::hook = [&] { gate.wait(); };
  device->run(test::Hook{});
  gate.await_reached();
  ErrorCode code = ErrorCode::kNone;
  std::thread waiting([&] {
    try {
      device->synchronize();
    } catch (const Error& e) {
      code = e.code;
    }
  });
  // The last owner of what waits in the queue goes with it, so time does not matter here.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  std::thread halting([&] { device->halt(); });
  while (!device->closed()) std::this_thread::yield();
  gate.open();
  halting.join();
  waiting.join();
  CHECK(code == ErrorCode::kDisposed);
}

TEST_CASE("a read that does not fit into the queue leaves nothing there") {
  auto device = Device::open("cpu", 1);
  const Tensor x = device->empty({1}, Dtype::kF32), norms = device->empty({5000}, Dtype::kF64);
  device->run(Fill{.x = {x}, .value = 1});
  const std::vector<View> many(5000, x);
  // Fills the queue until `most` small items are in it, or no more fit; then tries to read.
  const auto read_behind = [&](int most) {
    Gate gate;
    test::hook = [&] { gate.wait(); };
    device->run(test::Hook{});
    gate.await_reached();
    try {
      for (;;) device->run(Norms{.x = {const_cast<View*>(many.data()), 5000}, .out = norms});
    } catch (const Error&) {
    }
    int small = 0;
    float value = 7, host = 9;
    try {
      for (; small < most; ++small) device->write(x, &value);
    } catch (const Error&) {
    }
    bool refused = false;
    try {
      device->read(x, &host, [](auto) {});
    } catch (const Error&) {
      refused = true;
    }
    gate.open();
    for (;;) {  // until the queue takes work again
      try {
        device->synchronize();
        break;
      } catch (const Error&) {
      }
    }
    CHECK(host == (refused ? 9 : 7));
    return small;
  };
  const int fitting = read_behind(1 << 20);
  read_behind(fitting - 1);  // room for one item
}

TEST_CASE("the last owner of a busy device does not wait; the work still runs") {
  auto device = Device::open("cpu", 2);
  Gate gate;
  std::promise<void> second;
  int ran = 0;
  test::hook = [&] {
    if (++ran == 1)
      gate.wait();
    else
      second.set_value();
  };
  device->run(test::Hook{});
  gate.await_reached();
  device->run(test::Hook{});
  device.reset();  // would hang here if it waited
  gate.open();
  second.get_future().get();
  CHECK(ran == 2);
}

TEST_CASE("a tensor may outlive the words that made its device, not its memory") {
  Tensor x;
  {
    auto device = Device::open("cpu", 1);
    x = device->empty({4}, Dtype::kF32);
    device->run(Fill{.x = {x}, .value = 1});
    CHECK(device->memory_use().live == 1);
  }
  CHECK(x.view().size() == 4);
  x = {};  // the last owner of the device goes with it
}

TEST_CASE("unknown devices are refused with the name that was given") {
  for (const char* name : {"gpu", "cuda:", "cuda:x", "cuda:-1", ""}) {
    CAPTURE(name);
    try {
      Device::open(name);
      FAIL("nothing was thrown");
    } catch (const Error& e) {
      CHECK((e.code == ErrorCode::kArgument || e.code == ErrorCode::kBackend));
    }
  }
}
