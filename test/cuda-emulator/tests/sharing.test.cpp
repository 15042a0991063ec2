// Memory that two processes map by cudaIpc…MemHandle. The other process is this program: the test
// case "another process" obeys what it is told through a pipe.
#include <cuda.h>
#include <cudaTypedefs.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "support.h"

namespace {

enum class Order : int { kMake, kOpen, kClose, kFree, kFill, kRead };
struct Request {
  Order order;
  cudaIpcMemHandle_t handle;
  float value;
};
struct Answer {
  cudaError_t status;
  int findings;
  cudaIpcMemHandle_t handle;
  float value;
};
constexpr int kElements = 100, kRequests = 98, kAnswers = 99;  // descriptors of the other process

bool transfer(auto call, int file, auto* what) {
  return call(file, what, sizeof *what) == ssize_t(sizeof *what);
}

class Other {
 public:
  Other() {
    int requests[2], answers[2];
    REQUIRE_EQ(pipe(requests), 0);
    REQUIRE_EQ(pipe(answers), 0);
    process_ = fork();
    REQUIRE_GE(process_, 0);
    if (process_ == 0) {
      dup2(requests[0], kRequests);
      dup2(answers[1], kAnswers);
      for (const int file : {requests[0], requests[1], answers[0], answers[1]}) ::close(file);
      execl("/proc/self/exe", "cudaemu_tests", "--test-case=another process", "--no-skip",
            "--minimal", nullptr);
      _exit(1);
    }
    ::close(requests[0]);
    ::close(answers[1]);
    requests_ = requests[1], answers_ = answers[0];
  }
  ~Other() { end(); }
  Answer tell(Request request) {
    Answer answer{};
    REQUIRE(transfer(::write, requests_, &request));
    REQUIRE(transfer(::read, answers_, &answer));
    return answer;
  }
  cudaIpcMemHandle_t make(float value) {
    const Answer answer = tell({Order::kMake, {}, value});
    CUDA(answer.status);
    return answer.handle;
  }
  void kill() {
    ::kill(process_, SIGKILL);
    end();
  }

 private:
  void end() {
    if (process_ < 0) return;
    ::close(requests_);
    ::close(answers_);
    waitpid(process_, nullptr, 0);
    process_ = -1;
  }
  pid_t process_ = -1;
  int requests_ = -1, answers_ = -1;
};

cudaError_t open(float** p, const cudaIpcMemHandle_t& handle) {
  return cudaIpcOpenMemHandle(reinterpret_cast<void**>(p), handle, cudaIpcMemLazyEnablePeerAccess);
}
float last_of(const float* p) {
  float value = 0;
  CUDA(cudaMemcpy(&value, p + kElements - 1, sizeof value, cudaMemcpyDeviceToHost));
  return value;
}
int findings() { return cudaemu_control("findings?"); }

}  // namespace

TEST_CASE("another process" * doctest::skip()) {
  float* p = nullptr;
  const TestStream stream;
  for (Request request; transfer(::read, kRequests, &request);) {
    Answer answer{};
    switch (request.order) {
      case Order::kMake:
        CUDA(cudaMalloc(&p, kElements * sizeof(float)));
        CUDA(kernels::fill(p, kElements, request.value, stream));
        CUDA(cudaStreamSynchronize(stream));
        answer.status = cudaIpcGetMemHandle(&answer.handle, p);
        break;
      case Order::kOpen:
        answer.status = open(&p, request.handle);
        break;
      case Order::kClose:
        answer.status = cudaIpcCloseMemHandle(p);
        break;
      case Order::kFree:
        answer.status = cudaFree(p);
        break;
      case Order::kFill:
        CUDA(kernels::fill(p, kElements, request.value, stream));
        answer.status = cudaStreamSynchronize(stream);
        break;
      case Order::kRead:
        answer.value = last_of(p);
        break;
    }
    answer.findings = findings();
    REQUIRE(transfer(::write, kAnswers, &answer));
  }
}

TEST_CASE("two processes see what either writes, at addresses of their own") {
  const Clean clean;
  const TestStream stream;
  Other owner;
  const cudaIpcMemHandle_t handle = owner.make(3);
  float *p = nullptr, *again = nullptr;
  CUDA(open(&p, handle));
  CHECK_EQ(last_of(p), 3.f);
  CUDA(kernels::fill(p, kElements, 4.f, stream));
  CUDA(cudaStreamSynchronize(stream));
  CHECK_EQ(owner.tell({Order::kRead, {}, 0}).value, 4.f);
  owner.tell({Order::kFill, {}, 5});
  CHECK_EQ(last_of(p), 5.f);

  // One that is open already is counted, and stays until the last close.
  CUDA(open(&again, handle));
  CHECK_EQ(again, p);
  CUDA(cudaIpcCloseMemHandle(p));
  CHECK_EQ(last_of(p), 5.f);
  CUDA(cudaIpcCloseMemHandle(p));
  const Answer freed = owner.tell({Order::kFree, {}, 0});
  CHECK_EQ(freed.status, cudaSuccess);
  CHECK_EQ(freed.findings, 0);
}

TEST_CASE("a handle names the memory until it is freed, and nothing else") {
  const Clean clean;
  Other other;
  float *p = nullptr, *freed = nullptr, *open_here = nullptr;
  CUDA(cudaMalloc(&p, kElements * sizeof(float)));
  const std::vector<float> host(kElements, 7.f);
  CUDA(cudaMemcpy(p, host.data(), kElements * sizeof(float), cudaMemcpyHostToDevice));
  cudaIpcMemHandle_t handle, twice, later;
  CUDA(cudaIpcGetMemHandle(&handle, p));
  CUDA(cudaIpcGetMemHandle(&twice, p));
  CHECK_EQ(std::memcmp(&handle, &twice, sizeof handle), 0);
  CHECK_EQ(last_of(p), 7.f);  // what was there has stayed
  CUDA(other.tell({Order::kOpen, handle, 0}).status);
  CHECK_EQ(other.tell({Order::kRead, {}, 0}).value, 7.f);
  CUDA(other.tell({Order::kClose, {}, 0}).status);

  CHECK_EQ(open(&open_here, handle), cudaErrorDeviceUninitialized);  // by its own process
  freed = p;
  CUDA(cudaFree(p));
  CHECK_EQ(other.tell({Order::kOpen, handle, 0}).status, cudaErrorInvalidValue);
  const cudaIpcMemHandle_t nothing{};
  CHECK_EQ(open(&open_here, nothing), cudaErrorInvalidValue);
  CHECK_EQ(cudaIpcOpenMemHandle(reinterpret_cast<void**>(&open_here), handle, 0),
           cudaErrorInvalidValue);
  CHECK_EQ(cudaIpcGetMemHandle(&later, freed), cudaErrorInvalidValue);
  const TestStream stream;
  const Buffer<float> of_a_pool(4, stream);
  CHECK_EQ(cudaIpcGetMemHandle(&later, of_a_pool), cudaErrorInvalidValue);
}

TEST_CASE("each byte of a forged handle is noticed") {
  const Clean clean;
  Other owner;
  const cudaIpcMemHandle_t handle = owner.make(1);
  for (size_t i = 0; i < 48; ++i) {
    if (i >= 20 && i < 24) continue;  // nothing
    cudaIpcMemHandle_t forged = handle;
    forged.reserved[i] = char(forged.reserved[i] ^ 0x41);
    float* p = nullptr;
    const cudaError_t status = open(&p, forged);
    CHECK_MESSAGE(status != cudaSuccess, i);
    CHECK_EQ(p, nullptr);
  }
}

TEST_CASE("memory of a process that was killed stays until it is closed, and has no handle") {
  const Clean clean;
  Other owner;
  const cudaIpcMemHandle_t handle = owner.make(2);
  float *p = nullptr, *none = nullptr;
  CUDA(open(&p, handle));
  owner.kill();
  CHECK_EQ(last_of(p), 2.f);
  CUDA(cudaIpcCloseMemHandle(p));
  CHECK_EQ(open(&none, handle), cudaErrorInvalidValue);
}

TEST_CASE("a process that was killed has nothing open") {
  const Clean clean;
  float* p = nullptr;
  CUDA(cudaMalloc(&p, 64));
  cudaIpcMemHandle_t handle;
  CUDA(cudaIpcGetMemHandle(&handle, p));
  Other other;
  CUDA(other.tell({Order::kOpen, handle, 0}).status);
  other.kill();
  CUDA(cudaFree(p));
}

TEST_CASE("what a pointer points to, and how far") {
  const Clean clean;
  Other owner;
  float* p = nullptr;
  CUDA(open(&p, owner.make(1)));
  cudaPointerAttributes attributes;
  CUDA(cudaPointerGetAttributes(&attributes, p + 3));
  CHECK_EQ(attributes.type, cudaMemoryTypeDevice);
  CHECK_EQ(attributes.device, 0);
  CUDA(cudaPointerGetAttributes(&attributes, &p));
  CHECK_EQ(attributes.type, cudaMemoryTypeUnregistered);

  void* function = nullptr;
  cudaDriverEntryPointQueryResult found;
  CUDA(cudaGetDriverEntryPointByVersion("cuNothing", &function, 13000, cudaEnableDefault, &found));
  CHECK_EQ(found, cudaDriverEntryPointSymbolNotFound);
  CHECK_EQ(function, nullptr);
  CUDA(cudaGetDriverEntryPointByVersion("cuMemGetAddressRange", &function, 3020, cudaEnableDefault,
                                        &found));
  REQUIRE_EQ(found, cudaDriverEntryPointSuccess);
  const auto range = reinterpret_cast<PFN_cuMemGetAddressRange_v3020>(function);
  CUdeviceptr base = 0;
  size_t bytes = 0;
  CHECK_EQ(range(&base, &bytes, reinterpret_cast<CUdeviceptr>(p + 3)), CUDA_SUCCESS);
  CHECK_EQ(base, reinterpret_cast<CUdeviceptr>(p));
  CHECK_EQ(bytes, kElements * sizeof(float));
  CUDA(cudaIpcCloseMemHandle(p));
  CHECK_EQ(range(&base, &bytes, reinterpret_cast<CUdeviceptr>(p)), CUDA_ERROR_INVALID_VALUE);
}

TEST_CASE("devices have names, and no access to each other's memory") {
  const Clean clean;
  Other owner;
  const cudaIpcMemHandle_t handle = owner.make(1);
  cudaemu_control("devices=2");
  cudaDeviceProp first, second;
  CUDA(cudaGetDeviceProperties(&first, 0));
  CUDA(cudaGetDeviceProperties(&second, 1));
  CHECK_NE(std::memcmp(&first.uuid, &second.uuid, sizeof first.uuid), 0);
  std::thread([&] {
    float* p = nullptr;
    CUDA(cudaSetDevice(1));
    CHECK_EQ(open(&p, handle), cudaErrorMapBufferObjectFailed);
  }).join();
  cudaemu_control("devices=1");
}

TEST_CASE("misuse of shared memory is found") {
  cudaemu_control("clear");
  const TestStream stream;
  Other owner;
  float *p = nullptr, *own = nullptr;
  const auto found = [] {
    const int count = findings();
    cudaemu_control("clear");
    return count;
  };
  const cudaIpcMemHandle_t handle = owner.make(1);
  CUDA(open(&p, handle));
  SUBCASE("freed while another process has it open") {
    CHECK_EQ(owner.tell({Order::kFree, {}, 0}).findings, 1);
  }
  SUBCASE("freed by who has opened it") {
    CHECK_EQ(cudaFree(p), cudaErrorInvalidValue);
    CHECK_EQ(found(), 1);
  }
  SUBCASE("closed once too often") {
    CUDA(cudaIpcCloseMemHandle(p));
    CHECK_EQ(cudaIpcCloseMemHandle(p), cudaErrorInvalidValue);
    CHECK_EQ(found(), 1);
  }
  SUBCASE("a handle of a place within") {
    CUDA(cudaMalloc(&own, 64));
    cudaIpcMemHandle_t within;
    CHECK_EQ(cudaIpcGetMemHandle(&within, own + 1), cudaErrorInvalidValue);
    CHECK_EQ(found(), 1);
  }
  SUBCASE("used after it was closed") {
    CUDA(cudaIpcCloseMemHandle(p));
    (void)kernels::fill(p, kElements, 4.f, stream);
    cudaStreamSynchronize(stream);
    CHECK_EQ(found() > 0, cudaemu_control("checked?") == 1);
    CHECK_EQ(owner.tell({Order::kRead, {}, 0}).value, 1.f);
  }
  SUBCASE("closed before the work that uses it") {
    cudaemu_control("streams=deferred");
    CUDA(kernels::fill(p, kElements, 4.f, stream));
    CUDA(cudaIpcCloseMemHandle(p));
    cudaStreamSynchronize(stream);
    cudaemu_control("streams=eager");
    CHECK_EQ(found() > 0, cudaemu_control("checked?") == 1);
    CHECK_EQ(owner.tell({Order::kRead, {}, 0}).value, 1.f);
  }
  cudaemu_control("clear");
}
