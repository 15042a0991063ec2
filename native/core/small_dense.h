// Small dense algebra: Eigen, whose templates only kernels of the CPU instantiate.
// All of it stands in a namespace of the instruction set that it is compiled for,
// orthokit_eigen_avx2 and the like. Under Eigen's own name the linker would keep one copy of each
// of its functions, and a copy for AVX-512 ends the process on a machine without it.
#pragma once

#ifndef ORTHOKIT_ISA
#define ORTHOKIT_ISA portable
#endif
#define ORTHOKIT_EIGEN_OF(isa) orthokit_eigen_##isa
#define ORTHOKIT_EIGEN(isa) ORTHOKIT_EIGEN_OF(isa)

#define EIGEN_MPL2_ONLY         // nothing of it under other licences
#define EIGEN_NO_DEBUG          // its assertions end the process
#define EIGEN_NO_IO             // streams would run code when the binary is loaded
#define EIGEN_DONT_PARALLELIZE  // the threads are those of cpu::Stream

#define Eigen ORTHOKIT_EIGEN(ORTHOKIT_ISA)
#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#undef Eigen

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace eigen = ::ORTHOKIT_EIGEN(ORTHOKIT_ISA);
}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
