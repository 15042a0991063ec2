// A finding is a bug in a kernel, or in how the host uses the runtime. It is printed and counted
// and, like a fault on a GPU, becomes the device's error until it is reset.
#pragma once
#include <string>

#include "cuda_runtime.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace cudaemu {

void finding(cudaError_t code, const char* format, ...) __attribute__((format(printf, 2, 3)));
// In a kernel: the block ends here.
[[noreturn]] void fatal_finding(cudaError_t code, const char* format, ...)
    __attribute__((format(printf, 2, 3)));
// At a place in the program's code: printed once, counted every time.
void finding_at(const void* code_address, cudaError_t code, const std::string& message);
// The emulator itself cannot go on.
[[noreturn]] void stop_process(const char* format, ...) __attribute__((format(printf, 1, 2)));

int finding_count();
std::string last_finding();
void clear_findings();

// The kernel that later findings of this thread belong to; null: host code.
class RunningKernel {
 public:
  explicit RunningKernel(const void* kernel);
  ~RunningKernel();
};

}  // namespace cudaemu
