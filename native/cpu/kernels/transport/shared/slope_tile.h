// Weighted slopes of pairs of points, summed over a tile of pairs in registers.
#pragma once
#include "cpu/kernels/transport/shared/pair_tile.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// As many sums as the registers hold beside one step's operands.
inline constexpr int kSlopePoints = 4, kSlopeCoordinates = kPairLanes == 8 ? 4 : 2;

struct DifferenceSlope {
  static void add(const PairVector& weight, const PairVector& by, PairVector& sum) {
    add_product<double>(weight, by, sum);
  }
};
struct SignSlope {
  static void add(const PairVector& weight, const PairVector& by, PairVector& sum) {
    using Bits __attribute__((vector_size(kVectorBytes))) = int64_t;
    sum += PairVector(Bits(weight) & (by > 0)), sum -= PairVector(Bits(weight) & (by < 0));
  }
};

// out[r][k] = Σ weights[r, c] · slope(x[r][k] − y[c][k]) over `panels` panels of kPairColumns
// points of y, a coordinate a row; y[k] points to coordinate k of the first.
template <class Slope>
void sum_slopes(int64_t panels, int64_t panel_size, const double* weights, int64_t stride,
                const double (&x)[kSlopePoints][kSlopeCoordinates],
                const double* const (&y)[kSlopeCoordinates],
                double (&out)[kSlopePoints][kSlopeCoordinates]) {
  PairVector sum[kSlopePoints][kSlopeCoordinates] = {};
  for (int64_t panel = 0; panel < panels; ++panel, weights += kPairColumns)
#pragma GCC unroll 1
    for (int v = 0; v < kPairColumns; v += kPairLanes) {
      PairVector weight[kSlopePoints];
#pragma GCC unroll 4
      for (int r = 0; r < kSlopePoints; ++r) load<double>(weights + r * stride + v, weight[r]);
#pragma GCC unroll 4
      for (int k = 0; k < kSlopeCoordinates; ++k) {
        PairVector other;
        load<double>(y[k] + panel * panel_size + v, other);
#pragma GCC unroll 4
        for (int r = 0; r < kSlopePoints; ++r) Slope::add(weight[r], x[r][k] - other, sum[r][k]);
      }
    }
  for (int r = 0; r < kSlopePoints; ++r)
    for (int k = 0; k < kSlopeCoordinates; ++k) {
      double lanes[kPairLanes];
      store<double>(sum[r][k], lanes);
      out[r][k] = total_of<kPairLanes>(lanes);
    }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
