// The target of a lane's access, once it has been found to be allowed.
#pragma once
#include "ptx/machine.h"
#include "shadow.h"

namespace cudaemu::ptx {

char* memory_at(Warp&, const Instruction&, Space, uint64_t address, size_t bytes, int lane, Access);

}  // namespace cudaemu::ptx
