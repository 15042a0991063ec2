// The executor that runs nvcc's PTX in place of what the host's compiler made of a kernel.
#pragma once
#include <string>
#include <string_view>

#include "grid.h"
#include "scheduler.h"

namespace cudaemu::ptx {

bool chosen();  // by ORTHOKIT_EMULATOR_PTX
// False: the host's code has to run; the kernel's name and the reason have been printed.
bool run(Scheduler&, const GridShape&);
int64_t last_count(std::string_view field);     // of the last launch; -1: nothing was counted
std::string place_of(const void* instruction);  // empty: it is none

}  // namespace cudaemu::ptx

// Runs an entry of a text of PTX; each argument is the address of a value.
ORTHOKIT_EMULATOR_API cudaError_t cudaemu_run_ptx(const char* text, const char* entry, dim3 grid,
                                                  dim3 block, size_t shared,
                                                  const void* const* arguments);
