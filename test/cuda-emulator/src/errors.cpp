#include "errors.h"

#include <atomic>
#include <map>
#include <sstream>
#include <vector>

#include "lock.h"
#include "options.h"

namespace cudaemu {
namespace {

struct OrderedFailure {
  std::string function;
  long calls_left;
  cudaError_t code;
};

std::atomic<int> device_error{0};
thread_local cudaError_t last_error = cudaSuccess;

std::vector<OrderedFailure>& failures() {
  static auto& failures = *new std::vector<OrderedFailure>;
  return failures;
}
std::map<std::string, int>& calls() {
  static auto& calls = *new std::map<std::string, int>;
  return calls;
}

void read_environment() {
  static const bool read = [] {
    const char* text = std::getenv("ORTHOKIT_EMULATOR_FAIL");
    std::stringstream list(text ? text : "");
    for (std::string order; std::getline(list, order, ',');)
      if (!order_failure(order.c_str()))
        stop_process("ORTHOKIT_EMULATOR_FAIL does not understand '%s'", order.c_str());
    return true;
  }();
  (void)read;
}

bool loses_device(cudaError_t code) {
  return code == cudaErrorECCUncorrectable || code == cudaErrorIllegalAddress ||
         code == cudaErrorLaunchTimeout || code == cudaErrorAssert ||
         (code >= cudaErrorHardwareStackError && code <= cudaErrorLaunchFailure);
}

}  // namespace

thread_local bool in_host_function = false;

void stick(cudaError_t code) {
  int none = 0;
  device_error.compare_exchange_strong(none, int(code));
}
cudaError_t sticky() { return cudaError_t(device_error.load()); }
void unstick() {
  device_error = 0;
  last_error = cudaSuccess;
}

cudaError_t answer(cudaError_t code) {
  if (code != cudaSuccess && code != cudaErrorNotReady) last_error = code;
  return code;
}

cudaError_t enter(const char* function) {
  if (in_host_function) {
    finding(cudaErrorNotPermitted, "%s is called by a host function", function);
    return answer(cudaErrorNotPermitted);
  }
  const Lock lock;
  read_environment();
  ++calls()[function];
  ++calls()["*"];
  if (options().driver < CUDART_VERSION / 1000 * 1000) return answer(cudaErrorInsufficientDriver);
  if (options().devices == 0) return answer(cudaErrorNoDevice);
  if (const cudaError_t lasting = sticky()) return answer(lasting);
  for (auto order = failures().begin(); order != failures().end(); ++order) {
    if (order->function != "*" && order->function != function) continue;
    if (--order->calls_left > 0) continue;
    const cudaError_t code = order->code;
    failures().erase(order);
    if (loses_device(code)) stick(code);
    return answer(code);
  }
  return cudaSuccess;
}

bool order_failure(const char* order) {
  const std::string text(order);
  const size_t first = text.find(':'), second = text.find(':', first + 1);
  if (first == std::string::npos || first == 0) return false;
  char* end = nullptr;
  const long call = std::strtol(text.c_str() + first + 1, &end, 10);
  if (call < 1 || *end != (second == std::string::npos ? '\0' : ':')) return false;
  long code = cudaErrorMemoryAllocation;
  if (second != std::string::npos) {
    code = std::strtol(text.c_str() + second + 1, &end, 10);
    if (code < 1 || *end) return false;
  }
  failures().push_back({text.substr(0, first), call, cudaError_t(code)});
  return true;
}
void cancel_failures() {
  failures().clear();
  calls().clear();
}
int call_count(const char* function) { return calls()[function]; }

}  // namespace cudaemu

using namespace cudaemu;

cudaError_t cudaGetLastError() {
  const cudaError_t code = sticky() ? sticky() : last_error;
  last_error = cudaSuccess;
  return code;
}
cudaError_t cudaPeekAtLastError() { return sticky() ? sticky() : last_error; }

namespace {

struct Words {
  cudaError_t code;
  const char *name, *text;
};
#define ORTHOKIT_EMULATOR_WORDS(code, text) \
  { code, #code, text }
constexpr Words kWords[] = {
    ORTHOKIT_EMULATOR_WORDS(cudaSuccess, "no error"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorInvalidValue, "invalid argument"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorMemoryAllocation, "out of memory"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorInitializationError, "initialization error"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorCudartUnloading, "driver shutting down"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorInsufficientDriver,
                            "CUDA driver version is insufficient for CUDA runtime version"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorInvalidDeviceFunction, "invalid device function"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorInvalidDevice, "invalid device ordinal"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorDeviceUninitialized, "invalid device context"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorMapBufferObjectFailed, "mapping of buffer object failed"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorNoKernelImageForDevice,
                            "no kernel image is available for execution on the device"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorECCUncorrectable, "uncorrectable ECC error encountered"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorNotReady, "device not ready"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorLaunchOutOfResources,
                            "too many resources requested for launch"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorLaunchTimeout, "the launch timed out and was terminated"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorAssert, "device-side assert triggered"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorHardwareStackError, "hardware stack error"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorIllegalInstruction, "an illegal instruction was encountered"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorMisalignedAddress, "misaligned address"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorInvalidAddressSpace,
                            "operation not supported on global/shared address space"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorInvalidPc, "invalid program counter"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorLaunchFailure, "unspecified launch failure"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorCooperativeLaunchTooLarge,
                            "too many blocks in cooperative launch"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorNotPermitted, "operation not permitted"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorNotSupported, "operation not supported"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorStreamCaptureUnsupported,
                            "operation not permitted when stream is capturing"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorStreamCaptureInvalidated,
                            "operation failed due to a previous error during capture"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorStreamCaptureUnmatched,
                            "capture was not initiated in this stream"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorStreamCaptureImplicit,
                            "operation would make the legacy stream depend on a capturing "
                            "blocking stream"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorCapturedEvent,
                            "operation not permitted on an event last recorded in a capturing "
                            "stream"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorStreamCaptureWrongThread,
                            "attempt to terminate a thread-local capture sequence from another "
                            "thread"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorGraphExecUpdateFailure,
                            "the graph update was not performed because it included changes which "
                            "violated constraints specific to instantiated graph update"),
    ORTHOKIT_EMULATOR_WORDS(cudaErrorUnknown, "unknown error"),
};
#undef ORTHOKIT_EMULATOR_WORDS

const Words* words_of(cudaError_t code) {
  for (const Words& words : kWords)
    if (words.code == code) return &words;
  return nullptr;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t code) {
  const Words* words = words_of(code);
  return words ? words->name : "unrecognized error code";
}
const char* cudaGetErrorString(cudaError_t code) {
  const Words* words = words_of(code);
  return words ? words->text : "unrecognized error code";
}
