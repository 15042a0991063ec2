// Shared by the tests of the emulator.
#pragma once
#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "control.h"
#include "kernels.h"

#define CUDA(call) REQUIRE_EQ(call, cudaSuccess)

class TestStream {
 public:
  TestStream() { CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~TestStream() { cudaStreamDestroy(stream_); }
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

template <class T>
class Buffer {
 public:
  Buffer(size_t n, cudaStream_t stream) : n_(n), stream_(stream) {
    CUDA(cudaMallocAsync(&p_, n * sizeof(T), stream));
  }
  Buffer(const std::vector<T>& values, cudaStream_t stream) : Buffer(values.size(), stream) {
    CUDA(cudaMemcpyAsync(p_, values.data(), n_ * sizeof(T), cudaMemcpyHostToDevice, stream));
  }
  ~Buffer() { cudaFreeAsync(p_, stream_); }
  operator T*() const { return p_; }
  std::vector<T> read() const {
    std::vector<T> values(n_);
    CUDA(cudaMemcpyAsync(values.data(), p_, n_ * sizeof(T), cudaMemcpyDeviceToHost, stream_));
    CUDA(cudaStreamSynchronize(stream_));
    return values;
  }

 private:
  T* p_ = nullptr;
  size_t n_;
  cudaStream_t stream_;
};

// Every test begins and ends with a device in order.
class Clean {
 public:
  Clean() { cudaemu_control("clear"); }
  ~Clean() {
    cudaDeviceSynchronize();
    char text[512];
    cudaemu_last_finding(text, sizeof text);
    CHECK_MESSAGE(cudaemu_control("findings?") == 0, text);
    CHECK_EQ(cudaemu_control("allocations?"), 0);
    CHECK_EQ(cudaemu_control("pinned?"), 0);
    cudaemu_control("clear");
  }
};

inline std::vector<float> normal(size_t n, unsigned seed = 7) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> values(n);
  for (float& v : values) v = distribution(generator);
  return values;
}
