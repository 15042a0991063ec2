// The choice of kernels, as far as a kernel needs it.
#pragma once

namespace orthokit::cpu {

// True if ORTHOKIT_CPU named avx512 when the kernels were chosen, before there was a device.
// Kernels run on a device's own thread, where the environment may change while it is read.
bool names_avx512();

}  // namespace orthokit::cpu
