// How a backend's kernel files make themselves known: as constants in a section of their own, which
// the linker makes one list. Nothing runs for it when a binary is loaded; code that did would be
// compiled for each file's instruction set, and end the process on a machine without it.
// Every binary (the addon, a plug-in) has a list of its own; hidden visibility keeps them apart.
#pragma once
#include <span>

#include "core/op.h"

namespace orthokit {

struct RegisteredKernel {
  const OpInfo& (*op)();
  const char* variant;  // instruction set, or empty
  decltype(KernelEntry::run) run;
};

template <class Op, class Stream, void (*kernel)(const Op&, Stream&)>
int32_t run_kernel(const void* op, void* stream, Failure* failure) {
  return guarded(failure,
                 [&] { kernel(*static_cast<const Op*>(op), *static_cast<Stream*>(stream)); });
}

// Pointers, because the compiler may align larger constants further apart than an array's.
#define ORTHOKIT_REGISTER_KERNEL(Op, kernel, variant)                                             \
  static constinit const ::orthokit::RegisteredKernel kernel##_record{                            \
      &::orthokit::info<Op>, variant, &::orthokit::run_kernel<Op, Stream, kernel>};               \
  [[gnu::used,                                                                                    \
    gnu::section("orthokit_kernels")]] static constinit const ::orthokit::RegisteredKernel* const \
      kernel##_registered = &kernel##_record

extern "C" {  // from the linker: the section's first and last
[[gnu::weak,
  gnu::visibility("hidden")]] extern const RegisteredKernel* const __start_orthokit_kernels[];
[[gnu::weak,
  gnu::visibility("hidden")]] extern const RegisteredKernel* const __stop_orthokit_kernels[];
}

inline std::span<const RegisteredKernel* const> kernel_list() {
  return {__start_orthokit_kernels, __stop_orthokit_kernels};
}

}  // namespace orthokit
