// Stands for the CUDA runtime's header, so that a host compiler builds .cu files and the emulator
// runs them. What is not declared here does not belong in native/cuda: using it is an error of the
// emulated build.
#pragma once
#define ORTHOKIT_CUDAEMU 1
#include "cudaemu/api.h"
#include "cudaemu/atomics.h"
#include "cudaemu/language.h"
#include "cudaemu/launch.h"
#include "cudaemu/math.h"
#include "cudaemu/thread.h"
