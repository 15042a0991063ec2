// Launches: limits as on a GPU, then a place in the stream's queue.
#include <map>

#include "api.h"
#include "grid.h"
#include "launches.h"
#include "options.h"

using namespace cudaemu;

namespace {

std::map<const void*, size_t>& shared_limits() {
  static auto& limits = *new std::map<const void*, size_t>;
  return limits;
}

size_t volume(dim3 d) { return size_t(d.x) * d.y * d.z; }

bool is_configuration(const cudaLaunchConfig_t& config) {
  const dim3 grid = config.gridDim, block = config.blockDim;
  return volume(grid) > 0 && grid.x <= 0x7fffffffu && grid.y <= 65535 && grid.z <= 65535 &&
         volume(block) > 0 && volume(block) <= 1024 && block.z <= 64;
}

}  // namespace

cudaError_t cudaemu_set_attribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  ORTHOKIT_EMULATOR_ENTER("cudaFuncSetAttribute");
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || size_t(value) > most_shared()) return answer(cudaErrorInvalidValue);
  shared_limits()[kernel] = size_t(value);
  return cudaSuccess;
}

cudaError_t cudaemu::operation_of(const cudaLaunchConfig_t& config, const Launch& launch,
                                  Operation& operation) {
  const std::shared_ptr<void> call(launch.call, launch.destroy);
  if (!is_configuration(config)) return cudaErrorInvalidConfiguration;
  const auto asked = shared_limits().find(launch.kernel);
  const bool has_asked = asked != shared_limits().end();
  if (config.dynamicSmemBytes > (has_asked ? asked->second : kSharedWithoutAsking))
    return cudaErrorInvalidValue;
  bool cooperative = false;
  for (unsigned i = 0; i < config.numAttrs; ++i)
    if (config.attrs[i].id == cudaLaunchAttributeCooperative)
      cooperative = config.attrs[i].val.cooperative;
  if (cooperative && volume(config.gridDim) > size_t(options().multiprocessors))
    return cudaErrorCooperativeLaunchTooLarge;
  operation = {
      OperationKind::kWork,
      [grid = config.gridDim, block = config.blockDim, shared = config.dynamicSmemBytes,
       most = has_asked ? most_shared() : kSharedWithoutAsking, launch, cooperative, call] {
        run_grid({grid, block, shared, most, launch, cooperative});
      }};
  return cudaSuccess;
}

cudaError_t cudaemu_launch(const cudaLaunchConfig_t* config, const Launch* launch) {
  Operation operation;
  const Lock lock;
  const cudaError_t wrong = operation_of(*config, *launch, operation);  // and owns the arguments
  if (const cudaError_t refused = enter("cudaLaunchKernelEx")) return refused;
  if (!is_stream(config->stream)) return answer(cudaErrorInvalidResourceHandle);
  if (wrong != cudaSuccess) return answer(wrong);
  return push(config->stream, std::move(operation));
}
