// Constants of the normal law and of GELU, which every backend shares.
#pragma once

namespace orthokit::math {

// (1 + 2z) exp(z²) erfc(z) for z ≥ 0 as a polynomial in (z − 3.75) / (z + 3.75), the map of
// Shepherd and Laframboise (1981): its Chebyshev series to degree 22, computed to 50 digits from
// values at 60 nodes, summed by powers, the highest first. Relative error below 2 ulp.
inline constexpr double kScaledErfcCentre = 3.75;
struct ScaledErfc {  // by value, so that device code has constants of its own
  double coefficients[23];
};
inline constexpr ScaledErfc kScaledErfc = {
    {-0x1.6884628ace07ap-29, -0x1.0cb63a80de2c5p-29, 0x1.12b326b5668bfp-25, 0x1.42d2ea1df7aecp-26,
     -0x1.0ae6bf9452a1fp-22, -0x1.b4c0937b25a0bp-25, 0x1.d39c1a3875509p-20, -0x1.06de6954a39b5p-20,
     -0x1.7fcc159f9a760p-17, 0x1.7799dcd2368cbp-16,  0x1.b13e13fe20445p-15, -0x1.303ffbfe45e88p-12,
     0x1.33fb5a5e7ca14p-12,  0x1.cc3a13daa5d95p-10,  -0x1.3f603c7e65d24p-7, 0x1.d0b0037036098p-6,
     -0x1.e0d0fa6c16f3fp-5,  0x1.7a14188ae18fap-4,   -0x1.bda9309a35871p-4, 0x1.510169d093c18p-4,
     0x1.d5f294816277ep-9,   -0x1.1f367683f8967p-3,  0x1.3ccda0b5d5dc2p+0}};

// From here on Φ(−a) is 0 in f64.
inline constexpr double kFarthestNormal = 40;

// GELU's form by tanh is x / (1 + exp(−u)) with u = √(8/π) (x + 0.044715 x³).
inline constexpr double kTanhGeluFactor = 1.5957691216057308;
inline constexpr double kTanhGeluCubic = 0.044715;

}  // namespace orthokit::math
