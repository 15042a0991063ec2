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

template <class... P>
struct Call {
  void (*kernel)(P...);
  std::tuple<std::remove_cv_t<P>...> arguments;
};
template <class... P>
Launch launch_of(Call<P...>* call) {
  using C = Call<P...>;
  static_assert(sizeof(C) <= 4096, "kernel parameters take more than 4 KB");
  static_assert((std::is_trivially_copyable_v<std::remove_cv_t<P>> && ...),
                "kernel parameters are copied byte by byte");
  return {[](const void* call) {
            auto* c = static_cast<const C*>(call);
            std::apply([c](const auto&... values) { c->kernel(P(values)...); }, c->arguments);
          },
          [](void* call) { delete static_cast<C*>(call); },
          call,
          sizeof(C),
          reinterpret_cast<const void*>(call->kernel),
          sizeof...(P),
          [](const void* call, const void** of_arguments) {
            std::apply([&](const auto&... values) { ((*of_arguments++ = &values), ...); },
                       static_cast<const C*>(call)->arguments);
          }};
}

}  // namespace cudaemu
ORTHOKIT_EMULATOR_API cudaError_t cudaemu_launch(const cudaLaunchConfig_t*, const cudaemu::Launch*);
ORTHOKIT_EMULATOR_API cudaError_t cudaemu_set_attribute(const void* kernel, cudaFuncAttribute, int);
// How a kernel that is known by its address alone gets its arguments by theirs.
ORTHOKIT_EMULATOR_API void cudaemu_describe(const void* kernel,
                                            cudaemu::Launch (*make)(const void* kernel,
                                                                    void** arguments));

namespace cudaemu {

template <class... P, size_t... i>
Launch launch_from(const void* kernel, void** arguments, std::index_sequence<i...>) {
  return launch_of(new Call<P...>{reinterpret_cast<void (*)(P...)>(const_cast<void*>(kernel)),
                                  {*static_cast<const std::remove_cv_t<P>*>(arguments[i])...}});
}
template <class... P>
void describe(void (*kernel)(P...)) {
  cudaemu_describe(reinterpret_cast<const void*>(kernel), [](const void* k, void** arguments) {
    return launch_from<P...>(k, arguments, std::index_sequence_for<P...>{});
  });
}

}  // namespace cudaemu

template <class... P, class... A>
inline cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(P...),
                                      A&&... arguments) {
  const cudaemu::Launch launch = cudaemu::launch_of(new cudaemu::Call<P...>{
      kernel, {static_cast<std::remove_cv_t<P>>(std::forward<A>(arguments))...}});
  return cudaemu_launch(config, &launch);
}
template <class F>
inline cudaError_t cudaFuncSetAttribute(F* kernel, cudaFuncAttribute attribute, int value) {
  return cudaemu_set_attribute(reinterpret_cast<const void*>(kernel), attribute, value);
}
