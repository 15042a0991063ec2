// The answer of a call of the runtime before it does anything: the device's lasting error, or a
// failure that a test has ordered.
#pragma once
#include "findings.h"

namespace cudaemu {

void stick(cudaError_t);  // the first one stays until the device is reset
cudaError_t sticky();
void unstick();

// Every function of the runtime and of the cuBLAS stand-in begins with it.
cudaError_t enter(const char* function);
// Remembers an error for cudaGetLastError.
cudaError_t answer(cudaError_t);

// "cudaMalloc:3:2": the third call from now answers error 2; "*" means any function. Codes of lost
// devices (214, 700, 702, 710, 714 to 719) also stick.
bool order_failure(const char* order);
void cancel_failures();
int call_count(const char* function);  // since the last reset of the counts; "*": of all

// Set while a host function runs: it must not call the runtime.
extern thread_local bool in_host_function;

}  // namespace cudaemu
