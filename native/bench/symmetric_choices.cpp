// Which way is faster for symmetric products of 16-bit numbers, as lines of
// native/cuda/kernels/products/shared/symmetric_choices.inc.
#include <cstdio>
#include <cstdlib>

#include "bench/case.h"
#include "bench/clock.h"
#include "bench/commands.h"

namespace orthokit::bench {
namespace {

// The way is read when the product is queued on the device: until the wait is over it must stay.
Racer racer_of(const char* way, Case& c, Device& device, const Clock& clock) {
  return Racer([way, &c] { setenv("ORTHOKIT_SYMMETRIC", way, 1), c.run(); },
               [&device] { device.synchronize(); }, clock);
}

void measure_choice(Device& device, const std::string& capability, const char* dtype,
                    const char* words, int64_t n, int64_t k, int rounds) {
  const std::string side = std::to_string(n), matrix = std::string(dtype) + "[" + side + "x";
  const auto c = make_case(*registry().find("symmetric_product"), device,
                           "a=" + matrix + std::to_string(k) + "] c=" + matrix + side + "]");
  const Clock clock(false);
  Racer tiles = racer_of("tiles", *c, device, clock),
        panels = racer_of("panels", *c, device, clock);
  const auto times = race({&tiles, &panels}, rounds);
  std::printf("    {%s, %s, %lld, %lld, %.3f},\n", capability.c_str(), words,
              static_cast<long long>(n), static_cast<long long>(k),
              times[1].median / times[0].median);
  std::fflush(stdout);
}

}  // namespace

int symmetric_choices(const Options& options) {
  auto device = Device::open(options.device, options.threads);
  const DeviceInfo info = device->device_info();
  const std::string isa = info.isa, library = info.blas;
  if (!isa.starts_with("sm_") || !library.starts_with("cuBLAS"))
    throw Error(
        ErrorCode::kUnsupported,
        "--symmetric-choices needs a CUDA device with cuBLAS, got " + isa + " and " + library);
  const int64_t largest = options.small ? 256 : 8192;
  for (const auto& [dtype, words] :
       {std::pair{"f16", "Dtype::kF16"}, std::pair{"bf16", "Dtype::kBf16"}})
    for (int64_t n = 256; n <= largest; n *= 2)
      for (const int64_t k : {n, 4 * n})
        measure_choice(*device, isa.substr(3), dtype, words, n, k, options.rounds);
  return 0;
}

}  // namespace orthokit::bench
