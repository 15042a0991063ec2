// How a library beside the emulator works on its streams and its memory.
#pragma once
#include "cudaemu/api.h"

// Queues `run(argument)`; `drop(argument)` follows in any case. `name`: as calls and failures know it.
ORTHOKIT_EMULATOR_API cudaError_t cudaemu_enqueue(cudaStream_t, void (*run)(void*),
                                                  void (*drop)(void*), void* argument,
                                                  const char* name);
// For its other functions: counts the call, answers an ordered failure or a lost device.
ORTHOKIT_EMULATOR_API cudaError_t cudaemu_enter(const char* name);
ORTHOKIT_EMULATOR_API int cudaemu_is_capturing(cudaStream_t);
ORTHOKIT_EMULATOR_API int cudaemu_is_device_range(const void* p, size_t bytes);
// 0, and a finding: outside an allocation, or (checked) unwritten.
ORTHOKIT_EMULATOR_API int cudaemu_check_read(const void* p, size_t bytes, const char* what);
ORTHOKIT_EMULATOR_API int cudaemu_check_write(const void* p, size_t bytes, const char* what);
