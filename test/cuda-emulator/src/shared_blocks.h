// Device memory that several processes map, by the calls cudaIpc…MemHandle. Behind a block of
// cudaMalloc that is asked for by another process lies a file without a name, found through the
// process that made it; its first page tells who has it open.
#pragma once
#include "device_memory.h"

namespace cudaemu {

cudaError_t share_block(const Allocation&, cudaIpcMemHandle_t*);
// The block is about to be freed, which nobody who has it open may live to see. False: it was never
// shared.
bool end_sharing(char* start);
// A block that is open already is counted, and has one address.
cudaError_t open_block(void** p, const cudaIpcMemHandle_t&);
bool close_block(void* p);  // false: it is not the start of an open one

}  // namespace cudaemu
