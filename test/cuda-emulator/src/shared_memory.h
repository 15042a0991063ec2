// The shared memory of blocks. Its static part is the zero-initialised thread-local segment of the
// module that holds the kernel; where several blocks are alive it is exchanged between them.
#pragma once
#include <cstddef>
#include <cstdint>

namespace cudaemu {

struct Block;

// Offsets within a block: static shared memory first, dynamic from here on.
constexpr size_t kDynamicOffset = size_t(1) << 21, kSharedBytes = kDynamicOffset + (256 << 10);

void find_static_shared(const void* kernel, bool shared);  // by blocks that are alive at once
void own_static_shared(Block*);
void start_shared(Block*, size_t dynamic_bytes);
// After a launch, of a block that has run. A GPU refuses one whose static and dynamic bytes are too
// many; which variables a kernel has is known when it has written them.
void end_shared(Block*, size_t most);
int64_t shared_offset(const void* p);  // in the running block's shared memory; -1: not in it

}  // namespace cudaemu
