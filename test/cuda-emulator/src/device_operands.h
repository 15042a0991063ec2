// How a library beside the emulator works on its streams and its memory.
#pragma once
#include "cudaemu/api.h"

// Queues `run(argument)`; `drop(argument)` follows in any case. `name`: as calls and failures know it.
ORTHOKIT_EMULATOR_API cudaError_t cudaemu_enqueue(cudaStream_t, void (*run)(void*),
                                                  void (*drop)(void*), void* argument,
                                                  const char* name);
// Queues work that a thread of the library does: the stream comes to `begin(argument)`, which must not
// wait, and is held from there until cudaemu_end, as other streams go on. `drop` follows in any case.
ORTHOKIT_EMULATOR_API cudaError_t cudaemu_enqueue_held(cudaStream_t, void (*begin)(void*),
                                                       void (*drop)(void*), void* argument,
                                                       const char* name);
// Any thread: `end(argument)`, which may write memory of the device, and then the stream goes on.
ORTHOKIT_EMULATOR_API void cudaemu_end(cudaStream_t, void (*end)(void*), void* argument);
// For its other functions: counts the call, answers an ordered failure or a lost device.
ORTHOKIT_EMULATOR_API cudaError_t cudaemu_enter(const char* name);
ORTHOKIT_EMULATOR_API int cudaemu_is_capturing(cudaStream_t);
ORTHOKIT_EMULATOR_API int cudaemu_is_device_range(const void* p, size_t bytes);
// The device whose live allocation holds all of it; -1: none.
ORTHOKIT_EMULATOR_API int cudaemu_device_of(const void* p, size_t bytes);
// 0, and a finding: outside an allocation, or (checked) unwritten.
ORTHOKIT_EMULATOR_API int cudaemu_check_read(const void* p, size_t bytes, const char* what);
ORTHOKIT_EMULATOR_API int cudaemu_check_write(const void* p, size_t bytes, const char* what);
