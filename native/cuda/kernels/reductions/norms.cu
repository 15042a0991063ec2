#include <algorithm>

#include "cuda/lists.cuh"
#include "ops/reductions/norms.h"
#include "ops/shared/square_range.h"

namespace orthokit::cuda {

// Σx², and where there is f64 also those of x times the two scales.
template <int count>
struct SquaresOfPiece {
  const Operand* x;
  __device__ Sums<count> operator()(const Piece& piece) const {
    const Operand own = x[piece.tensor];
    Sums<count> sums;
    for_vectors(piece, [&](int64_t at, int n) {
      double values[kVector];
      load(own, at, n, values);
#pragma unroll
      for (double v : values) {
        sums.of[0] += v * v;
        if constexpr (count > 1) {
          const double large = v * kScaleOfLarge, small = v * kScaleOfSmall;
          sums.of[1] += large * large, sums.of[2] += small * small;
        }
      }
    });
    return sums;
  }
};

struct WriteNorm {
  const Operand* x;
  double* out;
  double eps, scale;
  NormResult result;
  template <int count>
  __device__ double norm_of(const Sums<count>& sums) const {
    if constexpr (count > 1) {
      const double own = scale_for(sums.of[0]);
      if (own != 1) return sqrt(sums.of[own == kScaleOfLarge ? 1 : 2]) / own;
    }
    return sqrt(sums.of[0]);
  }
  template <int count>
  __device__ void operator()(int tensor, const Sums<count>& sums) const {
    const double norm = norm_of(sums), inverse = norm == 0 ? 0 : 1 / (scale * norm + eps);
    const double most =
        x[tensor].dtype == Dtype::kF64 ? HUGE_VAL : double(std::numeric_limits<float>::max());
    out[tensor] = result == NormResult::kNorm ? norm : inverse > most ? most : inverse;
  }
};

static void norms(const Norms& op, Stream& stream) {
  const Lists lists(stream, {op.x});
  const WriteNorm write{lists.of(0), op.out.as<double>(), op.eps, op.scale, op.result};
  const bool has_wide =
      std::ranges::any_of(op.x, [](const View& x) { return x.dtype == Dtype::kF64; });
  if (has_wide)
    sum_pieces<3>(stream, lists, SquaresOfPiece<3>{lists.of(0)}, write);
  else
    sum_pieces<1>(stream, lists, SquaresOfPiece<1>{lists.of(0)}, write);
}
ORTHOKIT_GRAPH_KERNEL(Norms, norms);

}  // namespace orthokit::cuda
