#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "cpu/stream.h"

using orthokit::cpu::Stream;

TEST_CASE("every part runs once, for any number of threads") {
  for (int threads : {1, 2, 3, 8}) {
    Stream stream(threads, {});
    for (int64_t count : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(count));
      stream.parallel(count, [&](int64_t i) { ++runs[size_t(i)]; });
      for (auto& r : runs) CHECK(r == 1);
    }
  }
}

TEST_CASE("the first exception of a part comes out, and the next region is sound") {
  Stream stream(3, {});
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> ran{0};
    CHECK_THROWS_WITH(stream.parallel(50,
                                      [&](int64_t i) {
                                        ++ran;
                                        if (i % 10 == 0) throw std::runtime_error("part");
                                      }),
                      "part");
    CHECK(ran == 50);
    std::atomic<int64_t> sum{0};
    stream.parallel(50, [&](int64_t i) { sum += i; });
    CHECK(sum == 1225);
  }
}

TEST_CASE("regions that follow each other closely, and after sleep") {
  Stream stream(2, {});
  int64_t total = 0;
  for (int round = 0; round < 2000; ++round) {
    int64_t parts[4] = {};
    stream.parallel(4, [&](int64_t i) { parts[i] = i; });
    for (auto p : parts) total += p;
    if (round % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  CHECK(total == 2000 * 6);
}

#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)  // they need the room themselves
TEST_CASE("threads that cannot be started are an error, and those that were end") {
  rlimit before;
  getrlimit(RLIMIT_AS, &before);
  size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit little = before;
  little.rlim_cur = pages * size_t(sysconf(_SC_PAGESIZE)) + (size_t(256) << 20);
  setrlimit(RLIMIT_AS, &little);
  int32_t code = 0;
  try {
    Stream stream(1024, {});
  } catch (const orthokit::Error& e) {
    code = int32_t(e.code);
  }
  setrlimit(RLIMIT_AS, &before);
  CHECK(code == int32_t(orthokit::ErrorCode::kBackend));
}
#endif
