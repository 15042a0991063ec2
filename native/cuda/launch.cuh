// Launches on a stream of ours, checked.
#pragma once
#include <cstring>
#include <tuple>

#include "cuda/device/launch.cuh"
#include "cuda/stream.h"

namespace orthokit::cuda {

inline constexpr int kWarp = 32;

struct Grid {
  dim3 blocks, threads;
  size_t shared = 0;  // bytes of dynamic shared memory
};

// Blocks for `items` that they take in turn: more than a grid may have wait their turn.
inline dim3 blocks_for(int64_t items) {
  constexpr int64_t kMostBlocks = 0x7fffffff;
  return dim3(unsigned(items < kMostBlocks ? items : kMostBlocks));
}

template <class... P>
class CallOf final : public KernelCall {
 public:
  template <class... A>
  CallOf(void (*kernel)(P...), dim3 blocks, dim3 threads, size_t shared, A&&... arguments)
      : KernelCall(reinterpret_cast<const void*>(kernel), blocks, threads, shared),
        function_(kernel),
        values_(static_cast<P>(std::forward<A>(arguments))...) {
    describe_kernel(kernel);
  }
  void launch(cudaStream_t stream) const override {
    const cudaError_t status = std::apply(
        [&](const P&... values) {
          return cuda::launch(function_, Launch{blocks_, threads_, shared_, stream}, values...);
        },
        values_);
    check(status, "cudaLaunchKernel");
  }
  bool has_arguments_of(const Call& other) const override {
    return has_values_of(static_cast<const CallOf&>(other), std::index_sequence_for<P...>{});
  }

 private:
  std::vector<void*> arguments() override {
    return std::apply([](P&... values) { return std::vector<void*>{&values...}; }, values_);
  }
  template <size_t... i>
  bool has_values_of(const CallOf& other, std::index_sequence<i...>) const {
    return ((std::memcmp(&std::get<i>(values_), &std::get<i>(other.values_), sizeof(P)) == 0) &&
            ...);
  }
  void (*function_)(P...);
  std::tuple<P...> values_;
};

// Before whatever is held back.
template <class... P, class... A>
void launch_now(Stream& stream, void (*kernel)(P...), const Grid& grid, A&&... arguments) {
  check(launch(kernel, Launch{grid.blocks, grid.threads, grid.shared, stream.handle()},
               std::forward<A>(arguments)...),
        "cudaLaunchKernel");
}

template <class... P, class... A>
void launch(Stream& stream, void (*kernel)(P...), const Grid& grid, A&&... arguments) {
  if (stream.graphs().collects())
    return stream.graphs().add(std::make_unique<CallOf<P...>>(
        kernel, grid.blocks, grid.threads, grid.shared, std::forward<A>(arguments)...));
  launch_now(stream, kernel, grid, std::forward<A>(arguments)...);
}

}  // namespace orthokit::cuda
