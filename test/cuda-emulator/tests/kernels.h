// Kernels that use every building block of native/cuda/device, for the tests of the emulator.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

namespace kernels {

template <class T>
struct WideOf {
  using Type = float;
};
template <>
struct WideOf<double> {
  using Type = double;
};
template <class T>
using Wide = typename WideOf<T>::Type;

cudaError_t fill(float* out, int n, float value, cudaStream_t, unsigned threads = 256);
// The same as a node of a graph, behind `before` if there is one; with `executable`, its new arguments.
cudaError_t fill_node(cudaGraph_t, cudaGraphNode_t before, float* out, int n, float value,
                      cudaGraphNode_t* node, cudaGraphExec_t executable = nullptr);
// Sum of squares and largest magnitude of each row; `stride` between rows.
template <class T>
cudaError_t row_statistics(const T* x, int rows, int columns, int stride, Wide<T>* squares,
                           Wide<T>* largest, cudaStream_t);
// out = the elements of x, through 16-byte loads and stores; n a multiple of the vector.
template <class T>
cudaError_t copy_vectors(const T* x, int n, T* out, cudaStream_t);
// c = a b, row-major m x k and k x n; k and n multiples of 4; a pipeline of asynchronous copies.
cudaError_t product(const float* a, const float* b, float* c, int m, int n, int k, cudaStream_t);
// How a lane gets its share of the operands of a matrix instruction: words from global memory; or
// rows of matrices from shared memory, those of b as they are, or transposed.
enum class MatrixLoads { kWords, kRows, kTransposed };
// c = a b of 16 x 16 (row-major) and 16 x 8 (column by column; row by row if it is transposed), by
// one matrix instruction.
template <class T>
cudaError_t matrix_instruction(const T* a, const T* b, float* c, MatrixLoads, cudaStream_t);
// The largest |x| and its first index, blocks handing over by a ticket that begins at 0.
cudaError_t largest(const float* x, int n, float* values, int* indices, unsigned* ticket,
                    int* index, cudaStream_t);
// x / |x|, with a barrier of the whole grid; `partials` holds one number a block.
cudaError_t normalize(double* x, int n, double* partials, int blocks, cudaStream_t);
// For 32 threads: what each vote and shuffle gives; rows of 32, see the test.
constexpr int kWarpRows = 9;
cudaError_t warp_operations(double* shuffles, int* votes, cudaStream_t);
// Results of the counting barriers and the atomics of 64 threads in 3 blocks.
constexpr int kCounts = 12;
cudaError_t counts(int* barriers, int* atomics, unsigned long long* wide, cudaStream_t);
// The thread that comes first, of 64: depends on the order, on purpose.
cudaError_t first_thread(int* thread, cudaStream_t);
// Every half and bf16 as float, and floats as both.
cudaError_t widen_all(float* halves, float* bfloats, cudaStream_t);
cudaError_t narrow_all(const double* x, int n, __half* halves, __nv_bfloat16* bfloats,
                       cudaStream_t);

}  // namespace kernels
