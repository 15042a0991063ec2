// Memory, streams, events, graphs and failures of the emulated runtime.
#include <cmath>
#include <cstring>
#include <string>
#include <thread>

#include "support.h"

namespace {

void set(const std::string& command) { REQUIRE_EQ(cudaemu_control(command.c_str()), 0); }
int ask(const std::string& question) { return cudaemu_control(question.c_str()); }

// Sets an option for one test.
class With {
 public:
  With(std::string command, std::string after) : after_(std::move(after)) { set(command); }
  ~With() { set(after_); }

 private:
  std::string after_;
};

std::string last_finding() {
  char text[512];
  cudaemu_last_finding(text, sizeof text);
  return text;
}

class Pinned {
 public:
  explicit Pinned(size_t n) { CUDA(cudaMallocHost(&p_, n * sizeof(float))); }
  ~Pinned() { cudaFreeHost(p_); }
  float& operator[](size_t i) const { return p_[i]; }
  operator float*() const { return p_; }

 private:
  float* p_ = nullptr;
};

}  // namespace

TEST_CASE("an unknown command is refused") {
  for (const char* command : {"order=sideways", "streams=", "seed=x", "fail=cudaMalloc",
                              "fail=cudaMalloc:0", "fail=cudaMalloc:1:x", "nonsense", "what?"})
    CHECK_EQ(cudaemu_control(command), -1);
}

TEST_CASE("devices: count, properties, versions") {
  const Clean clean;
  int count = 0, value = 0;
  CUDA(cudaGetDeviceCount(&count));
  CHECK_EQ(count, 1);
  CHECK_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
  CHECK_EQ(cudaGetLastError(), cudaErrorInvalidDevice);
  CHECK_EQ(cudaGetLastError(), cudaSuccess);
  {
    const With capability("cc=75", "cc=90");
    cudaDeviceProp properties;
    CUDA(cudaGetDeviceProperties(&properties, 0));
    CHECK_EQ(properties.major * 10 + properties.minor, 75);
    CUDA(cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 0));
    CHECK_EQ(value, 7);
  }
  {
    const With none("devices=0", "devices=1");
    CHECK_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
    CHECK_EQ(count, 0);
  }
  {
    const With old("driver=12080", "driver=13000");
    CHECK_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
    CUDA(cudaDriverGetVersion(&value));
    CHECK_EQ(value, 12080);
    CUDA(cudaRuntimeGetVersion(&value));
    CHECK_EQ(value, 13000);
  }
  {
    const With newer("driver=13010", "driver=13000");
    CUDA(cudaGetDeviceCount(&count));
  }
  CHECK_EQ(std::string(cudaGetErrorName(cudaErrorMemoryAllocation)), "cudaErrorMemoryAllocation");
  CHECK_EQ(std::string(cudaGetErrorString(cudaErrorMemoryAllocation)), "out of memory");
}

TEST_CASE("two devices keep their streams and memory apart") {
  const Clean clean;
  const With two("devices=2", "devices=1");
  const TestStream first;
  void* p = nullptr;
  size_t free = 0, total = 0;
  CUDA(cudaMalloc(&p, 1024));
  std::thread([&] {
    int device = -1;
    CUDA(cudaGetDevice(&device));
    CHECK_EQ(device, 0);  // of this thread
    CUDA(cudaSetDevice(1));
    CHECK_EQ(cudaStreamSynchronize(first), cudaErrorInvalidResourceHandle);
    CUDA(cudaMemGetInfo(&free, &total));
    CHECK_EQ(free, total);
  }).join();
  CUDA(cudaMemGetInfo(&free, &total));
  CHECK_EQ(total - free, 1024);
  CUDA(cudaFree(p));
}

TEST_CASE("fresh memory is NaN, on the device and pinned") {
  const Clean clean;
  const TestStream stream;
  const Buffer<float> device(4, stream);
  const Pinned pinned(4);
  CHECK(std::isnan(pinned[3]));
  if (!ask("checked?")) CHECK(std::isnan(device.read()[3]));
}

TEST_CASE("memory has an end, and what queued work returns counts") {
  const Clean clean;
  const With small("memory=1000000", "memory=0x40000000");
  const With late("streams=deferred", "streams=eager");
  const TestStream stream;
  void *p = nullptr, *q = nullptr;
  CUDA(cudaMallocAsync(&p, 600000, stream));
  CHECK_EQ(cudaMallocAsync(&q, 600000, stream), cudaErrorMemoryAllocation);
  CHECK_EQ(q, nullptr);
  CUDA(cudaFreeAsync(p, stream));
  CHECK_EQ(ask("allocations?"), 1);
  CUDA(cudaMallocAsync(&q, 600000, stream));
  CUDA(cudaFreeAsync(q, stream));
  CHECK_EQ(cudaMalloc(&p, size_t(-1)), cudaErrorMemoryAllocation);
  cudaMemPool_t pool;
  uint64_t bytes = 0;
  CUDA(cudaDeviceGetDefaultMemPool(&pool, 0));
  CUDA(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &bytes));
  CHECK_GE(bytes, 600000);
  bytes = UINT64_MAX;
  CUDA(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &bytes));
  CUDA(cudaStreamSynchronize(stream));
  CUDA(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &bytes));
  CHECK_EQ(bytes, 0);
}

TEST_CASE("deferred streams do nothing before somebody waits") {
  const Clean clean;
  const With late("streams=deferred", "streams=eager");
  const TestStream stream;
  const Buffer<float> device(64, stream);
  const Pinned host(64);
  CUDA(kernels::fill(device, 64, 3.f, stream));
  CUDA(cudaMemcpyAsync(host, device, 64 * sizeof(float), cudaMemcpyDeviceToHost, stream));
  CHECK_NE(host[5], 3.f);
  CHECK_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
  CUDA(cudaStreamSynchronize(stream));
  CHECK_EQ(host[5], 3.f);
  CHECK_EQ(cudaStreamQuery(stream), cudaSuccess);
}

TEST_CASE("a copy of pageable memory has read it before the call returns") {
  const Clean clean;
  const With late("streams=deferred", "streams=eager");
  const TestStream stream;
  const Buffer<float> device(2, stream);
  std::vector<float> host{1, 2};
  CUDA(cudaMemcpyAsync(device, host.data(), 8, cudaMemcpyHostToDevice, stream));
  host = {5, 6};
  CHECK_EQ(device.read(), std::vector<float>{1, 2});
}

TEST_CASE("copies row by row") {
  const Clean clean;
  const TestStream stream;
  const Buffer<float> device(std::vector<float>{1, 2, 3, 4, 5, 6}, stream);
  const Pinned host(4);
  CUDA(cudaMemcpy2DAsync(host, 8, device, 12, 8, 2, cudaMemcpyDeviceToHost, stream));
  CUDA(cudaStreamSynchronize(stream));
  CHECK_EQ(std::vector<float>(&host[0], &host[0] + 4), std::vector<float>{1, 2, 4, 5});
}

TEST_CASE("events order streams, and only those that wait") {
  for (const char* seed : {"seed=1", "seed=2", "seed=3", "seed=4"}) {
    const Clean clean;
    const With late("streams=random", "streams=eager");
    set(seed);
    const TestStream writer, reader;
    const Buffer<float> device(64, writer);
    cudaEvent_t written, read, never;
    CUDA(cudaEventCreateWithFlags(&written, cudaEventDisableTiming));
    CUDA(cudaEventCreateWithFlags(&read, cudaEventDefault));
    CUDA(cudaEventCreateWithFlags(&never, cudaEventDefault));
    CHECK_EQ(cudaEventQuery(never), cudaSuccess);
    CUDA(cudaStreamWaitEvent(writer, never, 0));
    const Pinned host(64);
    for (int i = 0; i < 5; ++i) {
      CUDA(kernels::fill(device, 64, float(i), writer));
      CUDA(cudaEventRecord(written, writer));
      CUDA(cudaStreamWaitEvent(reader, written, 0));
      CUDA(cudaMemcpyAsync(host, device, 64 * sizeof(float), cudaMemcpyDeviceToHost, reader));
      CUDA(cudaEventRecord(read, reader));
      CUDA(cudaStreamWaitEvent(writer, read, 0));
      CUDA(cudaEventSynchronize(read));
      CHECK_EQ(host[63], float(i));
    }
    float milliseconds = -1;
    cudaEvent_t again;
    CUDA(cudaEventCreateWithFlags(&again, cudaEventDefault));
    CUDA(cudaEventRecord(again, reader));
    while (cudaEventQuery(again) == cudaErrorNotReady) {
    }
    CUDA(cudaEventElapsedTime(&milliseconds, read, again));
    CHECK_GE(milliseconds, 0);
    for (cudaEvent_t event : {written, read, never, again}) CUDA(cudaEventDestroy(event));
  }
}

TEST_CASE("host functions run in order, beside other threads") {
  const Clean clean;
  const TestStream stream;
  const Buffer<float> device(64, stream);
  struct Seen {
    float* host;
    float value = 0;
  };
  const Pinned host(64);
  Seen seen{host};
  CUDA(kernels::fill(device, 64, 2.f, stream));
  CUDA(cudaMemcpyAsync(host, device, 256, cudaMemcpyDeviceToHost, stream));
  CUDA(cudaLaunchHostFunc(
      stream, [](void* p) { static_cast<Seen*>(p)->value = *static_cast<Seen*>(p)->host; }, &seen));
  CUDA(cudaStreamSynchronize(stream));
  CHECK_EQ(seen.value, 2.f);

  // It waits for another thread that uses the runtime; the lock must not be in its way.
  CUDA(cudaLaunchHostFunc(
      stream,
      [](void*) {
        std::thread([] {
          void* p;
          CUDA(cudaMalloc(&p, 64));
          // cudaFree would wait for all streams, and so for this host function.
          TestStream other;
          CUDA(cudaFreeAsync(p, other));
        }).join();
      },
      nullptr));
  CUDA(cudaStreamSynchronize(stream));
}

TEST_CASE("capture refuses what waits, and a graph runs when it is launched") {
  const Clean clean;
  const TestStream stream;
  const Buffer<float> device(64, stream);
  const Pinned host(64);
  cudaGraph_t graph;
  void* p = nullptr;
  CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  CHECK_EQ(cudaMalloc(&p, 4), cudaErrorStreamCaptureUnsupported);
  CHECK_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
  CHECK_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureUnmatched);

  host[5] = 0;
  CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  cudaStreamCaptureStatus status;
  CUDA(cudaStreamIsCapturing(stream, &status));
  CHECK_EQ(status, cudaStreamCaptureStatusActive);
  CUDA(kernels::fill(device, 64, 4.f, stream));
  CUDA(cudaMemcpyAsync(host, device, 256, cudaMemcpyDeviceToHost, stream));
  CUDA(cudaStreamEndCapture(stream, &graph));
  CHECK_EQ(host[5], 0.f);
  cudaGraphExec_t executable;
  CUDA(cudaGraphInstantiate(&executable, graph, 0));
  CUDA(cudaGraphDestroy(graph));
  for (int repeat = 0; repeat < 2; ++repeat) {
    host[5] = 0;
    CUDA(cudaGraphLaunch(executable, stream));
    CUDA(cudaStreamSynchronize(stream));
    CHECK_EQ(host[5], 4.f);
  }
  CUDA(cudaGraphExecDestroy(executable));
}

TEST_CASE("a graph that is built of kernels takes other arguments without being built again") {
  const Clean clean;
  const TestStream stream;
  const Buffer<float> device(64, stream);
  const Pinned host(64);
  const auto value = [&] {
    CUDA(cudaMemcpyAsync(host, device, 256, cudaMemcpyDeviceToHost, stream));
    CUDA(cudaStreamSynchronize(stream));
    return host[5];
  };
  cudaGraph_t graph, other;
  cudaGraphNode_t first, second, foreign;
  cudaGraphExec_t executable;
  CUDA(cudaGraphCreate(&graph, 0));
  CUDA(kernels::fill_node(graph, nullptr, device, 64, 1.f, &first));
  CHECK_EQ(kernels::fill_node(graph, nullptr, device, 64, 2.f, &second), cudaErrorNotSupported);
  CUDA(kernels::fill_node(graph, first, device, 64, 2.f, &second));
  CUDA(cudaGraphInstantiate(&executable, graph, 0));
  CUDA(cudaGraphLaunch(executable, stream));
  CHECK_EQ(value(), 2.f);

  // Queued work keeps its arguments.
  CUDA(cudaGraphLaunch(executable, stream));
  CUDA(kernels::fill_node(graph, nullptr, device, 64, 3.f, &second, executable));
  CHECK_EQ(value(), 2.f);
  CUDA(cudaGraphLaunch(executable, stream));
  CHECK_EQ(value(), 3.f);

  CUDA(cudaGraphCreate(&other, 0));
  CUDA(kernels::fill_node(other, nullptr, device, 64, 4.f, &foreign));
  CHECK_EQ(kernels::fill_node(other, nullptr, device, 64, 5.f, &foreign, executable),
           cudaErrorInvalidValue);
  CUDA(cudaGraphDestroy(other));
  CUDA(cudaGraphExecDestroy(executable));
  CHECK_EQ(cudaGraphLaunch(executable, stream), cudaErrorInvalidValue);
  CUDA(cudaGraphDestroy(graph));
  CHECK_EQ(cudaGraphDestroy(graph), cudaErrorInvalidValue);
  CHECK_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaErrorInvalidValue);
}

TEST_CASE("who may wait while a stream captures depends on the mode") {
  const Clean clean;
  const TestStream stream, other;
  cudaGraph_t graph;
  const auto in_another_thread = [](auto call) {
    cudaError_t answer = cudaSuccess;
    std::thread([&] { answer = call(); }).join();
    return answer;
  };
  const auto allocate = [] {
    void* p = nullptr;
    const cudaError_t answer = cudaMalloc(&p, 4);
    if (answer == cudaSuccess) CUDA(cudaFree(p));
    return answer;
  };

  CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  CHECK_EQ(in_another_thread(allocate), cudaSuccess);
  CUDA(cudaStreamSynchronize(other));
  CHECK_EQ(in_another_thread([&] { return cudaStreamEndCapture(stream, &graph); }),
           cudaErrorStreamCaptureWrongThread);
  CHECK_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);

  CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  CHECK_EQ(allocate(), cudaErrorStreamCaptureUnsupported);
  CHECK_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);

  CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  CUDA(allocate());
  CHECK_EQ(cudaStreamQuery(stream), cudaErrorStreamCaptureUnsupported);
  CHECK_EQ(in_another_thread([&] { return cudaStreamEndCapture(stream, &graph); }),
           cudaErrorStreamCaptureInvalidated);

  CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  CHECK_EQ(in_another_thread(allocate), cudaErrorStreamCaptureUnsupported);
  CHECK_EQ(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);

  // The legacy stream would wait for a blocking one.
  const Buffer<float> device(64, stream);
  cudaStream_t blocking;
  CUDA(cudaStreamCreateWithFlags(&blocking, cudaStreamDefault));
  CUDA(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeRelaxed));
  CHECK_EQ(kernels::fill(device, 64, 1.f, nullptr), cudaErrorStreamCaptureImplicit);
  CHECK_EQ(cudaStreamEndCapture(blocking, &graph), cudaErrorStreamCaptureInvalidated);
  CUDA(cudaStreamDestroy(blocking));
}

TEST_CASE("a graph within a graph is a copy, and takes another of its form") {
  const Clean clean;
  const TestStream stream, capturing;
  const Buffer<float> device(64, stream);
  const Pinned host(64);
  const auto captured = [&](std::vector<float> values) {
    cudaGraph_t graph = nullptr;
    CUDA(cudaStreamBeginCapture(capturing, cudaStreamCaptureModeThreadLocal));
    for (const float value : values) CUDA(kernels::fill(device, 64, value, capturing));
    CUDA(cudaStreamEndCapture(capturing, &graph));
    return graph;
  };
  cudaGraph_t graph, child = captured({1.f, 2.f});
  cudaGraphNode_t first, second, third;
  cudaGraphExec_t executable;
  CUDA(cudaGraphCreate(&graph, 0));
  CUDA(kernels::fill_node(graph, nullptr, device, 64, 5.f, &first));
  CHECK_EQ(cudaGraphAddChildGraphNode(&second, graph, nullptr, 0, child), cudaErrorNotSupported);
  CUDA(cudaGraphAddChildGraphNode(&second, graph, &first, 1, child));
  CUDA(cudaGraphDestroy(child));
  CHECK_EQ(cudaGraphAddChildGraphNode(&third, graph, &second, 1, child), cudaErrorInvalidValue);
  CUDA(cudaGraphInstantiate(&executable, graph, 0));
  const auto value = [&] {
    CUDA(cudaGraphLaunch(executable, stream));
    CUDA(cudaMemcpyAsync(host, device, 256, cudaMemcpyDeviceToHost, stream));
    CUDA(cudaStreamSynchronize(stream));
    return host[5];
  };
  CHECK_EQ(value(), 2.f);

  child = captured({3.f, 4.f});
  CHECK_EQ(cudaGraphExecChildGraphNodeSetParams(executable, first, child), cudaErrorInvalidValue);
  CUDA(cudaGraphExecChildGraphNodeSetParams(executable, second, child));
  CUDA(cudaGraphDestroy(child));
  CHECK_EQ(value(), 4.f);
  child = captured({6.f});
  CHECK_EQ(cudaGraphExecChildGraphNodeSetParams(executable, second, child),
           cudaErrorGraphExecUpdateFailure);
  CHECK_EQ(value(), 4.f);
  for (cudaGraph_t each : {child, graph}) CUDA(cudaGraphDestroy(each));
  CUDA(cudaGraphExecDestroy(executable));
}

TEST_CASE("launches have the limits of a GPU") {
  const Clean clean;
  const TestStream stream;
  const Buffer<float> device(64, stream);
  CHECK_EQ(kernels::fill(device, 64, 1.f, stream, 1025), cudaErrorInvalidConfiguration);
  CHECK_EQ(kernels::fill(device, 0, 1.f, stream), cudaErrorInvalidConfiguration);
  const Buffer<double> x(64, stream), partials(64, stream);
  CHECK_EQ(kernels::normalize(x, 64, partials, 133, stream), cudaErrorCooperativeLaunchTooLarge);
  const With few("sms=3", "sms=132");
  CHECK_EQ(kernels::normalize(x, 64, partials, 4, stream), cudaErrorCooperativeLaunchTooLarge);
  for (const auto& [capability, most] : {std::pair{"75", 64},
                                         {"80", 163},
                                         {"86", 99},
                                         {"89", 99},
                                         {"90", 227},
                                         {"100", 227},
                                         {"120", 99}}) {
    const With other(std::string("cc=") + capability, "cc=90");
    int bytes = 0;
    CUDA(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
    CHECK_EQ(bytes, most << 10);
    const auto ask = [](int shared) {
      return cudaFuncSetAttribute(kernels::fill, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  shared);
    };
    CHECK_EQ(ask(bytes + 1), cudaErrorInvalidValue);
    CHECK_EQ(ask(bytes), cudaSuccess);
  }
}

TEST_CASE("the n-th call fails, of one function or of any") {
  const Clean clean;
  const TestStream stream;
  void *p = nullptr, *q = nullptr;
  set("fail=cudaMallocAsync:2:2");
  CUDA(cudaMallocAsync(&p, 64, stream));
  CHECK_EQ(cudaMallocAsync(&q, 64, stream), cudaErrorMemoryAllocation);
  CHECK_EQ(q, nullptr);
  CUDA(cudaMallocAsync(&q, 64, stream));
  CHECK_EQ(ask("calls?cudaMallocAsync"), 3);
  CHECK_EQ(ask("calls?cudaMalloc"), 0);
  set("fail=*:2:400");
  CUDA(cudaStreamSynchronize(stream));
  CHECK_EQ(cudaMemsetAsync(p, 0, 64, stream), cudaErrorInvalidResourceHandle);
  CHECK_EQ(cudaPeekAtLastError(), cudaErrorInvalidResourceHandle);
  // A call that releases has released, even where the answer is a failure.
  set("fail=cudaFreeAsync:1:1");
  CHECK_EQ(cudaFreeAsync(p, stream), cudaErrorInvalidValue);
  CUDA(cudaFreeAsync(q, stream));
}

TEST_CASE("a lost device stays lost, runs nothing and takes its memory back") {
  const Clean clean;
  const TestStream stream;
  const Pinned host(1);
  {
    const With late("streams=deferred", "streams=eager");
    const Buffer<float> device(std::vector<float>{1}, stream);
    host[0] = 0;
    CUDA(cudaMemcpyAsync(host, device, 4, cudaMemcpyDeviceToHost, stream));
    set("fail=cudaLaunchKernelEx:1:700");
    CHECK_EQ(kernels::fill(device, 1, 4.f, stream), cudaErrorIllegalAddress);
    CHECK_EQ(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
    void* p = nullptr;
    CHECK_EQ(cudaMalloc(&p, 64), cudaErrorIllegalAddress);
    CHECK_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
    CHECK_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
    CHECK_EQ(host[0], 0.f);
  }
  CHECK_EQ(ask("allocations?"), 0);
  set("clear");
  void* p = nullptr;
  CUDA(cudaMalloc(&p, 64));
  CUDA(cudaFree(p));
}

TEST_CASE("a finding loses the device, and says where") {
  cudaemu_control("clear");
  const TestStream stream;
  float* p = nullptr;
  CUDA(cudaMalloc(&p, 64));
  std::vector<float> host(17);
  CHECK_EQ(cudaMemcpyAsync(p, host.data(), 68, cudaMemcpyHostToDevice, stream),
           cudaErrorInvalidValue);
  CHECK_EQ(ask("findings?"), 1);
  CHECK_NE(last_finding().find("68 bytes"), std::string::npos);
  CHECK_EQ(cudaStreamSynchronize(stream), cudaErrorInvalidValue);
  cudaemu_control("clear");
  CHECK_EQ(ask("findings?"), 0);
  CHECK_EQ(ask("allocations?"), 0);
}

TEST_CASE("threads of the host share the device") {
  const Clean clean;
  std::vector<std::thread> threads;
  std::vector<int> good(4, 0);
  for (size_t i = 0; i < good.size(); ++i)
    threads.emplace_back([i, &good] {
      const TestStream stream;
      for (int repeat = 0; repeat < 20; ++repeat) {
        const std::vector<float> x = normal(600, unsigned(i));
        const Buffer<float> device(x, stream), squares(2, stream), largest(2, stream);
        CUDA(kernels::row_statistics<float>(device, 2, 300, 300, squares, largest, stream));
        float most = 0;
        for (size_t j = 0; j < 300; ++j) most = std::max(most, std::fabs(x[j]));
        good[i] += largest.read()[0] == most;
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const int g : good) CHECK_EQ(g, 20);
}
