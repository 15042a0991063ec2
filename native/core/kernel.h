// How a backend's kernel files make themselves known. Every binary (the addon, a plug-in) has lists
// of its own; hidden visibility keeps them apart.
#pragma once
#include "core/op.h"

namespace orthokit {

struct RegisteredKernel {
  const OpInfo* op;
  const char* variant;  // instruction set, or empty
  KernelEntry entry;
};
inline std::vector<RegisteredKernel>& kernel_list() {
  static std::vector<RegisteredKernel> list;
  return list;
}

template <class Op, class Stream, void (*kernel)(const Op&, Stream&)>
bool register_kernel(const char* variant) {
  const auto run = [](const void* op, void* stream, Failure* failure) {
    return guarded(failure,
                   [&] { kernel(*static_cast<const Op*>(op), *static_cast<Stream*>(stream)); });
  };
  kernel_list().push_back({&info<Op>(), variant, {Op::name, layout_of(info<Op>()), run}});
  return true;
}

}  // namespace orthokit
