// Knowledge of every byte of device and shared memory: written or not, by whom and when.
// Active once a module of instrumented kernels has been loaded.
#pragma once
#include <cstddef>

namespace cudaemu {

// A compiler may read ahead of the condition that says whether it is wanted: what it finds may be
// unwritten.
enum class Access { kRead, kReadAhead, kWrite, kAtomic };

bool checking();
void start_checking();

void shadow_allocate(const void* p, size_t bytes);
void shadow_free(const void* p, size_t bytes);
void shadow_shared(unsigned slot, size_t offset, size_t bytes);  // fresh in a block that begins

// By copies and products.
void shadow_write(const void* p, size_t bytes);
bool shadow_check_read(const void* p, size_t bytes, const char* what);

// By code at this address, of a kernel or of the host.
void shadow_access(const void* p, size_t bytes, Access, const void* code_address);

}  // namespace cudaemu
