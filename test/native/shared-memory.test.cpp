#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/device.h"
#include "core/shared_memory.h"
#include "ops/elementwise/fill.h"

using namespace orthokit;

namespace {

SharedSource source_of(const SharedMemory& memory, size_t size, size_t offset = 0) {
  return {"/proc/self/fd/" + std::to_string(memory.file()),
          "/memfd:" + memory.name() + " (deleted)",
          size,
          offset,
          size - offset,
          false};
}

ErrorCode code_of(const SharedSource& source) {
  try {
    SharedMemory::attach(source);
  } catch (const Error& e) {
    return e.code;
  }
  return ErrorCode::kNone;
}

size_t held_bytes(int fd) {
  struct stat about;
  REQUIRE(fstat(fd, &about) == 0);
  return size_t(about.st_blocks) * 512;
}

constexpr int kNoSpaceOfItsOwn = 100;

// In a process of its own: a file system of 1 MB, where a sparse file of 4 MB is asked for. Answers
// 0 if it was refused for want of memory and nothing of the space is gone.
int refused_in_small_space(const std::string& place) {
  const auto outside = std::to_string(geteuid());
  if (unshare(CLONE_NEWNS)) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) return kNoSpaceOfItsOwn;
    std::ofstream("/proc/self/uid_map") << "0 " << outside << " 1";
  }
  if (mount("none", "/", "none", MS_REC | MS_PRIVATE, nullptr) ||
      mount("none", place.c_str(), "tmpfs", 0, "size=1m"))
    return kNoSpaceOfItsOwn;
  const std::string path = place + "/memory";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  const size_t size = 4 << 20;
  if (fd < 0 || ftruncate(fd, off_t(size))) return 1;
  if (code_of({path, "", size, 0, size, true}) != ErrorCode::kMemory) return 2;
  struct stat about;
  if (fstat(fd, &about) || about.st_blocks != 0) return 3;
  return code_of({path, "", size, 0, 1 << 19, true}) == ErrorCode::kNone ? 0 : 4;
}

}  // namespace

TEST_CASE("memory is mapped twice, from any place on, and keeps its size") {
  const size_t size = 10'000;
  auto memory = SharedMemory::create(size);
  std::memset(memory.data(), 1, size);
  const auto part = SharedMemory::attach(source_of(memory, size, 5000));
  CHECK(part.bytes() == 5000);
  static_cast<char*>(part.data())[4999] = 7;
  CHECK(static_cast<char*>(memory.data())[9999] == 7);
  CHECK(static_cast<char*>(part.data())[0] == 1);
  CHECK(ftruncate(memory.file(), 1) != 0);
  CHECK(ftruncate(memory.file(), 20'000) != 0);
}

TEST_CASE("memory that is not what was said is refused") {
  auto memory = SharedMemory::create(100), other = SharedMemory::create(100);
  auto source = source_of(memory, 100);
  CHECK(code_of(source) == ErrorCode::kNone);
  auto wrong = source;
  wrong.size = 200;
  CHECK(code_of(wrong) == ErrorCode::kFormat);
  wrong = source;
  wrong.link = "/memfd:" + other.name() + " (deleted)";
  CHECK(code_of(wrong) == ErrorCode::kFormat);
  wrong = source;
  wrong.path = "/proc/self/fd/123456";
  CHECK(code_of(wrong) == ErrorCode::kIo);
}

TEST_CASE("memory that may be cut off is sealed, or refused") {
  for (const bool may_be_sealed : {true, false}) {
    const int fd = memfd_create("other", may_be_sealed ? MFD_ALLOW_SEALING : 0u);
    REQUIRE(ftruncate(fd, 64) == 0);
    SharedSource source{
        "/proc/self/fd/" + std::to_string(fd), "/memfd:other (deleted)", 64, 0, 64, false};
    CHECK(code_of(source) == (may_be_sealed ? ErrorCode::kNone : ErrorCode::kFormat));
    CHECK((ftruncate(fd, 32) == 0) == !may_be_sealed);
    source.unsealed = true;
    source.size = source.length = may_be_sealed ? 64 : 32;
    CHECK(code_of(source) == ErrorCode::kNone);
    close(fd);
  }
}

TEST_CASE("memory of a handle that is refused is not sealed, nor is any that may be cut off") {
  const int fd = memfd_create("other", MFD_ALLOW_SEALING);
  REQUIRE(ftruncate(fd, 64) == 0);
  const SharedSource source{
      "/proc/self/fd/" + std::to_string(fd), "/memfd:other (deleted)", 64, 0, 64, false};
  auto wrong = source;
  wrong.size = 63;
  CHECK(code_of(wrong) == ErrorCode::kFormat);
  wrong = source;
  wrong.offset = 1;
  CHECK(code_of(wrong) == ErrorCode::kFormat);
  wrong.offset = SIZE_MAX;
  CHECK(code_of(wrong) == ErrorCode::kFormat);
  auto trusted = source;
  trusted.unsealed = true;
  CHECK(code_of(trusted) == ErrorCode::kNone);
  CHECK(fcntl(fd, F_GET_SEALS) == 0);
  CHECK(code_of(source) == ErrorCode::kNone);
  CHECK(fcntl(fd, F_GET_SEALS) == F_SEAL_SHRINK);
  close(fd);
}

TEST_CASE("mapped memory has its pages before it is touched") {
  const size_t size = 4 << 20, half = size / 2;
  CHECK(held_bytes(SharedMemory::create(size).file()) >= size);
  const int fd = memfd_create("sparse", MFD_ALLOW_SEALING);
  REQUIRE(ftruncate(fd, off_t(size)) == 0);
  const SharedSource source{
      "/proc/self/fd/" + std::to_string(fd), "/memfd:sparse (deleted)", size, half, half, false};
  const auto part = SharedMemory::attach(source);
  CHECK(held_bytes(fd) >= half);
  CHECK(held_bytes(fd) < size);
  close(fd);
}

TEST_CASE("memory for which the system has no pages is refused, and none of it taken") {
  const std::string folder = std::filesystem::temp_directory_path() / "orthokit-small-XXXXXX";
  std::string place = folder;
  REQUIRE(mkdtemp(place.data()));
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) _exit(refused_in_small_space(place));
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  rmdir(place.c_str());
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoSpaceOfItsOwn)
    MESSAGE("this system gives its users no file systems of their own: not looked at");
  else
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a tensor over shared memory goes after the work that uses it") {
  auto device = Device::open("cpu", 2);
  const auto before = device->memory_use();
  auto memory = SharedMemory::create(4'000'000);
  const auto seen = SharedMemory::attach(source_of(memory, 4'000'000));
  {
    const Tensor x = device->over({1'000'000}, Dtype::kF32, [&] { return std::move(memory); });
    CHECK(device->memory_use().bytes == before.bytes + 4'000'000);
    for (int i = 0; i < 50; ++i) device->run(Fill{.x = {x}, .value = double(i)});
  }
  CHECK(device->memory_use().live == before.live);
  device->synchronize();
  CHECK(static_cast<const float*>(seen.data())[999'999] == 49);
}

TEST_CASE("a tensor over shared memory may outlive its device's end") {
  auto device = Device::open("cpu", 1);
  const auto make = [] { return SharedMemory::create(100); };
  Tensor x = device->over({25}, Dtype::kF32, make);
  device->run(Fill{.x = {x}, .value = 1});
  device->close(nullptr);
  x = {};
  CHECK_THROWS_AS(device->over({25}, Dtype::kF32, make), Error);
}
