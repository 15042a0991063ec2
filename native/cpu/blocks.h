// Memory of tensors, laid out for loops that walk several tensors at once.
#pragma once
#include <cstddef>

namespace orthokit::cpu {

inline constexpr size_t kAlignment = 256;  // bytes

// Blocks do not start at the same place of their pages: a load whose address agrees with that of a
// store just before it in the lower 12 bits waits for the store, and a step reads one tensor where
// it has just written another. Large blocks ask for huge pages. Null: there is no memory.
void* allocate_block(size_t bytes);
void release_block(void*);

}  // namespace orthokit::cpu
