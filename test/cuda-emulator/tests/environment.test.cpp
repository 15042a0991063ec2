// Settings by the environment. CTest runs this case once for every setting, without the others.
#include <csetjmp>
#include <csignal>
#include <cstdlib>

#include "support.h"

namespace {

sigjmp_buf after_fault;

bool host_can_read(const float* p) {
  const auto before = std::signal(SIGSEGV, [](int) { siglongjmp(after_fault, 1); });
  const bool readable = sigsetjmp(after_fault, 1) == 0;
  if (readable) (void)*static_cast<const volatile float*>(p);
  std::signal(SIGSEGV, before);
  return readable;
}

bool is_set(const char* name) { return std::getenv(name) != nullptr; }

}  // namespace

TEST_CASE("environment" * doctest::skip()) {
  int count = -1, driver = -1;
  CUDA(cudaDriverGetVersion(&driver));
  CHECK_EQ(driver, is_set("ORTHOKIT_EMULATOR_DRIVER") ? 0 : 13000);
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (is_set("ORTHOKIT_EMULATOR_DRIVER") || is_set("ORTHOKIT_EMULATOR_FAIL")) {
    CHECK_EQ(code, cudaErrorInsufficientDriver);
    CHECK_EQ(count, 0);
    return;
  }
  if (is_set("ORTHOKIT_EMULATOR_DEVICES")) {
    CHECK_EQ(code, cudaErrorNoDevice);
    CHECK_EQ(count, 0);
    return;
  }
  CHECK_EQ(count, 1);
  const Clean clean;
  const TestStream stream;
  const Buffer<float> device(64, stream);
  for (int repeat = 0; repeat < 2; ++repeat) CUDA(kernels::fill(device, 64, 1.f, stream));
  const bool late = is_set("ORTHOKIT_EMULATOR_STREAMS");
  CHECK_EQ(cudaStreamQuery(stream), late ? cudaErrorNotReady : cudaSuccess);
  CHECK_EQ(device.read()[63], 1.f);
  CHECK_EQ(host_can_read(device), !is_set("ORTHOKIT_EMULATOR_PROTECT"));
}
