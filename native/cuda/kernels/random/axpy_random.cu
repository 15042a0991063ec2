#include "cuda/kernels/random/shared/numbers.cuh"
#include "cuda/lists.cuh"
#include "cuda/total.cuh"
#include "ops/random/axpy_random.h"

namespace orthokit::cuda {

struct AxpyRandomPiece {
  const Operand *x, *out;
  const uint64_t* first;  // where each tensor begins, from offset on
  const double* factors;
  uint64_t offset;
  int64_t directions;
  RandomNumbers numbers;
  double least;

  // Number of elements of the piece, of the calling thread, that `least` has raised.
  template <class T>
  __device__ int64_t add(const Piece& piece) const {
    const T* from = x[piece.tensor].template as<T>();
    T* to = out[piece.tensor].template as<T>();
    const uint64_t begin = offset + first[piece.tensor];
    int64_t floored = 0;
    for_vectors(piece, [&](int64_t at, int n) {
      T values[kVector] = {};
      load_raw(from + at, n, values);
      double sums[kVector];
#pragma unroll
      for (int i = 0; i < kVector; ++i) sums[i] = convert<double>(values[i]);
      for (int64_t j = 0; j < directions; ++j) {
        RandomNumbers of = numbers;
        of.stream += uint64_t(j);
        T z[kVector] = {};
        of.four(begin + uint64_t(at), n, z);
#pragma unroll
        for (int i = 0; i < kVector; ++i) sums[i] += factors[j] * convert<double>(z[i]);
      }
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        const bool is_low = sums[i] < least;
        floored += is_low && i < n;
        values[i] = convert<T>(is_low ? least : sums[i]);
      }
      store_raw(to + at, n, values);
    });
    return floored;
  }
  __device__ Sums<1> operator()(const Piece& piece) const {
    Sums<1> sums;
    on_floating(x[piece.tensor].dtype,
                [&]<class T>() { sums.of[0] = double(this->template add<T>(piece)); });
    return sums;
  }
};

// The same where nobody counts.
struct AxpyRandomOnly {
  AxpyRandomPiece body;
  __device__ void operator()(const Piece& piece) const { body(piece); }
};

struct FlooredOfTensor {
  double* of_tensor;
  __device__ void operator()(int tensor, const Sums<1>& sums) const {
    of_tensor[tensor] = sums.of[0];
  }
};
struct FlooredTerm {
  const double* of_tensor;
  __device__ void operator()(int64_t i, Sums<1>& sums) const { sums.of[0] += of_tensor[i]; }
};
struct FlooredTotal {
  double* floored;
  __device__ void operator()(const Sums<1>& sums) const { *floored += sums.of[0]; }
};

static void axpy_random(const AxpyRandom& op, Stream& stream) {
  const std::vector<uint64_t> first = first_elements(op.x);
  const Lists lists(stream, {op.x, op.out});
  const AxpyRandomPiece body{lists.of(0),
                             lists.of(1),
                             stream.table(first.data(), op.x.count),
                             stream.table(op.factors.items, op.factors.count),
                             uint64_t(op.offset),
                             op.factors.count,
                             {uint64_t(op.seed), uint64_t(op.stream), op.distribution},
                             op.least};
  if (!op.floored) return for_pieces(stream, lists, AxpyRandomOnly{body});
  auto* of_tensor = stream.scratch<double>(op.x.count + 1);
  sum_pieces<1>(stream, lists, body, FlooredOfTensor{of_tensor});
  sum_items<1>(stream, op.x.count, FlooredTerm{of_tensor}, FlooredTotal{op.floored.as<double>()});
}
ORTHOKIT_KERNEL(AxpyRandom, axpy_random);

}  // namespace orthokit::cuda
