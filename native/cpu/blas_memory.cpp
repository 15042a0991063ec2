// The serial OpenBLAS hands out its work buffers without a lock (it is built without USE_LOCKING):
// two threads that multiply at once may get the same one and spoil each other's product.
#ifndef ORTHOKIT_NO_BLAS
#include <cblas.h>

#include <mutex>

#include "cpu/blas.h"

namespace {
constinit std::mutex memory_mutex;
}

#ifdef ORTHOKIT_BLAS_STATIC
// The linker sends OpenBLAS's calls of blas_memory_alloc and blas_memory_free here (--wrap).
extern "C" {
void* __real_blas_memory_alloc(int position);
void __real_blas_memory_free(void* buffer);

void* __wrap_blas_memory_alloc(int position) {
  std::lock_guard lock(memory_mutex);
  return __real_blas_memory_alloc(position);
}
void __wrap_blas_memory_free(void* buffer) {
  std::lock_guard lock(memory_mutex);
  __real_blas_memory_free(buffer);
}
}
#endif

namespace orthokit::cpu {

std::unique_lock<std::mutex> blas_turn() {
#ifndef ORTHOKIT_BLAS_STATIC
  static const bool is_serial = openblas_get_parallel() == 0;
  if (is_serial) return std::unique_lock(memory_mutex);
#endif
  return {};
}

}  // namespace orthokit::cpu
#endif
