// The functions that code compiled with -fsanitize=thread and parts of -fsanitize=undefined calls.
// Kernels are linked with these instead of the sanitizers' own libraries.
#include "findings.h"
#include "scheduler.h"
#include "shadow.h"

#if defined(__SANITIZE_THREAD__)
#error "ThreadSanitizer and the emulator both want to supply the functions of -fsanitize=thread"
#endif

using cudaemu::Access;
using cudaemu::finding_at;
using cudaemu::shadow_access;

#define ORTHOKIT_EMULATOR_HERE __builtin_return_address(0)

#define ORTHOKIT_EMULATOR_ACCESS(name, bytes, kind)        \
  ORTHOKIT_EMULATOR_API void __tsan_##name(void* p) {      \
    shadow_access(p, bytes, kind, ORTHOKIT_EMULATOR_HERE); \
  }
// A volatile access counts as atomic: it is how a kernel waits for another's write.
#define ORTHOKIT_EMULATOR_ACCESSES(n)                                      \
  ORTHOKIT_EMULATOR_ACCESS(read##n, n, Access::kRead)                      \
  ORTHOKIT_EMULATOR_ACCESS(write##n, n, Access::kWrite)                    \
  ORTHOKIT_EMULATOR_ACCESS(unaligned_read##n, n, Access::kRead)            \
  ORTHOKIT_EMULATOR_ACCESS(unaligned_write##n, n, Access::kWrite)          \
  ORTHOKIT_EMULATOR_ACCESS(volatile_read##n, n, Access::kAtomic)           \
  ORTHOKIT_EMULATOR_ACCESS(volatile_write##n, n, Access::kAtomic)          \
  ORTHOKIT_EMULATOR_ACCESS(unaligned_volatile_read##n, n, Access::kAtomic) \
  ORTHOKIT_EMULATOR_ACCESS(unaligned_volatile_write##n, n, Access::kAtomic)
ORTHOKIT_EMULATOR_ACCESSES(1)
ORTHOKIT_EMULATOR_ACCESSES(2)
ORTHOKIT_EMULATOR_ACCESSES(4)
ORTHOKIT_EMULATOR_ACCESSES(8)
ORTHOKIT_EMULATOR_ACCESSES(16)

ORTHOKIT_EMULATOR_API void __tsan_init() { cudaemu::start_checking(); }
ORTHOKIT_EMULATOR_API void __tsan_func_entry(void*) {}
ORTHOKIT_EMULATOR_API void __tsan_func_exit() {}
ORTHOKIT_EMULATOR_API void __tsan_vptr_update(void**, void*) {}
ORTHOKIT_EMULATOR_API void __tsan_vptr_read(void**) {}
ORTHOKIT_EMULATOR_API void __tsan_read_range(void* p, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i)
    shadow_access(static_cast<char*>(p) + i, 1, Access::kRead, ORTHOKIT_EMULATOR_HERE);
}
ORTHOKIT_EMULATOR_API void __tsan_write_range(void* p, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i)
    shadow_access(static_cast<char*>(p) + i, 1, Access::kWrite, ORTHOKIT_EMULATOR_HERE);
}

// Atomics of host code: std::atomic, the guards of static variables.
#define ORTHOKIT_EMULATOR_FETCH(bits, T, op)                                          \
  ORTHOKIT_EMULATOR_API T __tsan_atomic##bits##_fetch_##op(volatile T* p, T v, int) { \
    return __atomic_fetch_##op(p, v, __ATOMIC_SEQ_CST);                               \
  }
#define ORTHOKIT_EMULATOR_ATOMICS(bits, T)                                                       \
  ORTHOKIT_EMULATOR_API T __tsan_atomic##bits##_load(const volatile T* p, int) {                 \
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                 \
  }                                                                                              \
  ORTHOKIT_EMULATOR_API void __tsan_atomic##bits##_store(volatile T* p, T v, int) {              \
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                    \
  }                                                                                              \
  ORTHOKIT_EMULATOR_API T __tsan_atomic##bits##_exchange(volatile T* p, T v, int) {              \
    return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                          \
  }                                                                                              \
  ORTHOKIT_EMULATOR_FETCH(bits, T, add)                                                          \
  ORTHOKIT_EMULATOR_FETCH(bits, T, sub)                                                          \
  ORTHOKIT_EMULATOR_FETCH(bits, T, and)                                                          \
  ORTHOKIT_EMULATOR_FETCH(bits, T, or)                                                           \
  ORTHOKIT_EMULATOR_FETCH(bits, T, xor)                                                          \
  ORTHOKIT_EMULATOR_API int __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* old, \
                                                                          T v, int, int) {       \
    return __atomic_compare_exchange_n(p, old, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);    \
  }                                                                                              \
  ORTHOKIT_EMULATOR_API int __tsan_atomic##bits##_compare_exchange_weak(volatile T* p, T* old,   \
                                                                        T v, int, int) {         \
    return __atomic_compare_exchange_n(p, old, v, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);     \
  }
ORTHOKIT_EMULATOR_ATOMICS(8, uint8_t)
ORTHOKIT_EMULATOR_ATOMICS(16, uint16_t)
ORTHOKIT_EMULATOR_ATOMICS(32, uint32_t)
ORTHOKIT_EMULATOR_ATOMICS(64, uint64_t)
ORTHOKIT_EMULATOR_API void __tsan_atomic_thread_fence(int) {}
ORTHOKIT_EMULATOR_API void __tsan_atomic_signal_fence(int) {}

#define ORTHOKIT_EMULATOR_UNDEFINED(name, code, text, ...)        \
  ORTHOKIT_EMULATOR_API void __ubsan_handle_##name(__VA_ARGS__) { \
    finding_at(ORTHOKIT_EMULATOR_HERE, code, text);               \
  }
ORTHOKIT_EMULATOR_UNDEFINED(shift_out_of_bounds, cudaErrorLaunchFailure, "shift out of bounds",
                            void*, void*, void*)
ORTHOKIT_EMULATOR_UNDEFINED(add_overflow, cudaErrorLaunchFailure, "signed overflow in +", void*,
                            void*, void*)
ORTHOKIT_EMULATOR_UNDEFINED(sub_overflow, cudaErrorLaunchFailure, "signed overflow in -", void*,
                            void*, void*)
ORTHOKIT_EMULATOR_UNDEFINED(mul_overflow, cudaErrorLaunchFailure, "signed overflow in *", void*,
                            void*, void*)
ORTHOKIT_EMULATOR_UNDEFINED(negate_overflow, cudaErrorLaunchFailure,
                            "signed overflow in a negation", void*, void*)
ORTHOKIT_EMULATOR_UNDEFINED(float_cast_overflow, cudaErrorLaunchFailure,
                            "conversion to an integer out of range", void*, void*)
ORTHOKIT_EMULATOR_API void __ubsan_handle_out_of_bounds(void*, void*) {
  finding_at(ORTHOKIT_EMULATOR_HERE, cudaErrorIllegalAddress, "array index out of bounds");
  if (cudaemu::current) cudaemu::abandon_block();  // before the host's memory is written
}
ORTHOKIT_EMULATOR_API void __ubsan_handle_type_mismatch_v1(void*, void* p) {
  finding_at(ORTHOKIT_EMULATOR_HERE, cudaErrorMisalignedAddress,
             p ? "misaligned access" : "access through a null pointer");
  if (!p && cudaemu::current) cudaemu::abandon_block();
}
ORTHOKIT_EMULATOR_API void __ubsan_handle_divrem_overflow(void*, void*, void*) {
  finding_at(ORTHOKIT_EMULATOR_HERE, cudaErrorLaunchFailure,
             "integer division by zero or overflow");
  if (cudaemu::current) cudaemu::abandon_block();  // before the processor traps
}
