// Launching: the arguments travel in a record that calls the kernel as a C++ function.
#pragma once
#include "thread.h"

namespace cudaemu {

struct Launch {
  void (*invoke)(const void* call);  // the kernel, for one emulated thread
  void (*destroy)(void* call);
  void* call;
  size_t call_bytes;
  const void* kernel;
  size_t count;  // of its arguments
  void (*addresses)(const void* call, const void** of_arguments);
};

}  // namespace cudaemu
ORTHOKIT_EMULATOR_API cudaError_t cudaemu_launch(const cudaLaunchConfig_t*, const cudaemu::Launch*);
ORTHOKIT_EMULATOR_API cudaError_t cudaemu_set_attribute(const void* kernel, cudaFuncAttribute, int);

template <class... P, class... A>
inline cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(P...),
                                      A&&... arguments) {
  struct Call {
    void (*kernel)(P...);
    std::tuple<std::remove_cv_t<P>...> arguments;
  };
  static_assert(sizeof(Call) <= 4096, "kernel parameters take more than 4 KB");
  static_assert((std::is_trivially_copyable_v<std::remove_cv_t<P>> && ...),
                "kernel parameters are copied byte by byte");
  const cudaemu::Launch launch{
      [](const void* call) {
        auto* c = static_cast<const Call*>(call);
        std::apply([c](const auto&... values) { c->kernel(P(values)...); }, c->arguments);
      },
      [](void* call) { delete static_cast<Call*>(call); },
      new Call{kernel, {static_cast<std::remove_cv_t<P>>(std::forward<A>(arguments))...}},
      sizeof(Call),
      reinterpret_cast<const void*>(kernel),
      sizeof...(P),
      [](const void* call, const void** of_arguments) {
        std::apply([&](const auto&... values) { ((*of_arguments++ = &values), ...); },
                   static_cast<const Call*>(call)->arguments);
      }};
  return cudaemu_launch(config, &launch);
}
template <class F>
inline cudaError_t cudaFuncSetAttribute(F* kernel, cudaFuncAttribute attribute, int value) {
  return cudaemu_set_attribute(reinterpret_cast<const void*>(kernel), attribute, value);
}
