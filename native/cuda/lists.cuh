// Lists of tensors, cut into pieces of fixed size and numbered in order: one launch covers them
// all, a block a piece, however many tensors there are. Their pointers are one table.
#pragma once
#include <vector>

#include "cuda/device/reduce.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"
#include "cuda/vector.cuh"

namespace orthokit::cuda {

inline constexpr int kThreads = 256;        // of a block
inline constexpr int kBlocksAtOnce = 2;     // at least, on a multiprocessor: no register need spill
inline constexpr int64_t kPiece = 1 << 13;  // elements

struct Piece {
  int64_t index;  // its slot for partial results
  int tensor;     // position in the list
  int64_t begin, size;
};

// A list of tensors in which a kernel finds its chunk.
struct Walk {
  const Operand* tensors;
  const int64_t* first;  // pieces of tensor t: first[t] … first[t + 1] − 1
  int count;

  __device__ Piece piece(int64_t index) const {
    int low = 0, high = count;  // first[low] ≤ index < first[high]
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (first[middle] <= index ? low : high) = middle;
    }
    // Tensors without elements have no pieces: the last one that begins here is meant.
    const int64_t begin = (index - first[low]) * kPiece, rest = tensors[low].size - begin;
    return {index, low, begin, rest < kPiece ? rest : kPiece};
  }
};

class Lists {
 public:
  // Walks over the tensors of the first list; the others lie beside it. A list may be empty.
  Lists(Stream& stream, std::initializer_list<List<View>> lists);
  Walk walk() const { return {of(0), first_, int(tensors_)}; }
  const Operand* of(int list) const { return operands_ + begin_[size_t(list)]; }
  int64_t tensors() const { return tensors_; }
  int64_t pieces() const { return pieces_; }
  const int64_t* first() const { return first_; }

 private:
  std::vector<int64_t> begin_;  // of each list in operands_
  const Operand* operands_;     // on the device
  const int64_t* first_;        // on the device
  int64_t tensors_, pieces_ = 0;
};

// ---- bodies that are run for every piece, by all threads of a block

template <class Body>
__global__ void __launch_bounds__(kThreads, kBlocksAtOnce) piece_kernel(Walk walk, Body body) {
  body(walk.piece(blockIdx.x));
}

// body(piece) for every piece. A body is a struct of plain data with a __device__ operator().
template <class Body>
void for_pieces(Stream& stream, const Lists& lists, const Body& body) {
  if (lists.pieces() == 0) return;
  launch(stream, piece_kernel<Body>, {dim3(unsigned(lists.pieces())), kThreads}, lists.walk(),
         body);
}

// do_vector(at, n): elements at … at + n − 1 of the tensor, for the calling thread.
template <class F>
__device__ __forceinline__ void for_vectors(const Piece& piece, F&& do_vector) {
  const int64_t end = piece.begin + piece.size;
  for (int64_t at = piece.begin + int64_t(threadIdx.x) * kVector; at < end;
       at += kThreads * kVector)
    do_vector(at, int(end - at < kVector ? end - at : kVector));
}

// ---- results for each tensor of the list

template <int N>
struct Sums {
  double of[N] = {};
  __device__ void add(const Sums& other) {
#pragma unroll
    for (int k = 0; k < N; ++k) of[k] += other.of[k];
  }
};

// The result of all threads, for each of them. A result of another kind than Sums has these too.
template <int N>
__device__ __forceinline__ Sums<N> block_sum(Sums<N> sums) {
#pragma unroll
  for (int k = 0; k < N; ++k) sums.of[k] = block_reduce<Sum>(sums.of[k]);
  return sums;
}

template <class Result, class Body>
__global__ void __launch_bounds__(kThreads, kBlocksAtOnce)
    piece_results_kernel(Walk walk, Body body, Result* partial) {
  const Result result = block_sum(body(walk.piece(blockIdx.x)));
  if (threadIdx.x == 0) partial[blockIdx.x] = result;
}

// A block a tensor: its partial results, joined in an order that its number of pieces fixes.
template <class Result, class Finish>
__global__ void __launch_bounds__(kThreads)
    tensor_results_kernel(const int64_t* first, const Result* partial, Finish finish) {
  const int tensor = int(blockIdx.x);
  Result result;
  for (int64_t i = first[tensor] + threadIdx.x; i < first[tensor + 1]; i += kThreads)
    result.add(partial[i]);
  result = block_sum(result);
  if (threadIdx.x == 0) finish(tensor, result);
}

// body(piece) gives what the calling thread adds; finish(tensor, result) gets the result of each
// tensor, empty ones too, in one thread. Two launches.
template <class Result, class Body, class Finish>
void reduce_pieces(Stream& stream, const Lists& lists, const Body& body, const Finish& finish) {
  if (lists.tensors() == 0) return;
  auto* partial = stream.scratch<Result>(lists.pieces() + 1);
  if (lists.pieces() > 0)
    launch(stream, piece_results_kernel<Result, Body>, {dim3(unsigned(lists.pieces())), kThreads},
           lists.walk(), body, partial);
  launch(stream, tensor_results_kernel<Result, Finish>, {dim3(unsigned(lists.tensors())), kThreads},
         lists.first(), partial, finish);
}
template <int N, class Body, class Finish>
void sum_pieces(Stream& stream, const Lists& lists, const Body& body, const Finish& finish) {
  reduce_pieces<Sums<N>>(stream, lists, body, finish);
}

}  // namespace orthokit::cuda
