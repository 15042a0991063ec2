// Shared by the functions of the runtime.
#pragma once
#include "errors.h"
#include "lock.h"
#include "streams.h"

namespace cudaemu {

int current_device();  // of this thread
void adopt_device(int device);

// Calls that wait are refused while a stream captures, and spoil the capture.
cudaError_t refuse_in_capture(const char* function);
// Enters a function that releases something: it does so whatever the answer.
inline cudaError_t leave(cudaError_t first, cudaError_t second) {
  return answer(first != cudaSuccess ? first : second);
}
inline cudaError_t after_waiting() { return answer(sticky()); }

}  // namespace cudaemu

// In every function of the runtime: the lock is held to its end.
#define ORTHOKIT_EMULATOR_ENTER(name) \
  const ::cudaemu::Lock lock;         \
  if (const cudaError_t refused = ::cudaemu::enter(name)) return refused
#define ORTHOKIT_EMULATOR_REFUSE_IN_CAPTURE(name) \
  if (const cudaError_t refused = ::cudaemu::refuse_in_capture(name)) return refused
