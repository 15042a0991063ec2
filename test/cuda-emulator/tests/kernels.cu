#include <algorithm>

#include "cuda/device/async.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/load.cuh"
#include "cuda/device/mma.cuh"
#include "cuda/device/reduce.cuh"
#include "kernels.h"

namespace kernels {

using namespace orthokit::cuda;

namespace {

int ceil_div(int a, int b) { return (a + b - 1) / b; }

__global__ void fill_kernel(float* out, int n, float value) {
  const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) out[i] = value;
}

__device__ float magnitude(float v) { return fabsf(v); }
__device__ double magnitude(double v) { return fabs(v); }

template <class T>
__global__ void __launch_bounds__(128)
    row_statistics_kernel(const T* __restrict__ x, int columns, int stride, bool vectors,
                          Wide<T>* __restrict__ squares, Wide<T>* __restrict__ largest) {
  const T* row = x + int64_t(blockIdx.x) * stride;
  Wide<T> sum = 0, most = 0;
  const auto add = [&](Wide<T> v) {
    sum += v * v;
    most = Max::combine(most, magnitude(v));
  };
  const int body = vectors ? columns / Vec<T>::n * Vec<T>::n : 0;
  for (int i = int(threadIdx.x) * Vec<T>::n; i < body; i += int(blockDim.x) * Vec<T>::n) {
    Wide<T> v[Vec<T>::n];
    Vec<T>::load(row + i, v);
    for (int j = 0; j < Vec<T>::n; ++j) add(v[j]);
  }
  for (int i = body + int(threadIdx.x); i < columns; i += int(blockDim.x)) add(widen(row[i]));
  sum = block_reduce<Sum>(sum);
  most = block_reduce<Max>(most);
  if (threadIdx.x == 0) {
    squares[blockIdx.x] = sum;
    largest[blockIdx.x] = most;
  }
}

template <class T>
__global__ void copy_vectors_kernel(const T* x, int n, T* out) {
  for (int i = int(blockIdx.x * blockDim.x + threadIdx.x) * Vec<T>::n; i < n;
       i += int(gridDim.x * blockDim.x) * Vec<T>::n) {
    Wide<T> v[Vec<T>::n];
    Vec<T>::load(x + i, v);
    Vec<T>::store(out + i, v);
  }
}

constexpr int kTile = 64, kDepth = 16, kStage = kTile * kDepth;

__global__ void __launch_bounds__(256)
    product_kernel(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c,
                   int m, int n, int k) {
  float* stages = dyn_shared<float>();
  const int thread = int(threadIdx.x), tx = thread % 16, ty = thread / 16,
            row0 = int(blockIdx.y) * kTile, column0 = int(blockIdx.x) * kTile;
  const auto fetch = [&](int stage, int k0) {
    float *as = stages + stage * 2 * kStage, *bs = as + kStage;
    const int row = thread / 4, q = thread % 4 * 4;
    const int of_a = row0 + row < m ? max(0, min(4, k - k0 - q)) : 0;
    cp_async16(as + row * kDepth + q, of_a ? a + int64_t(row0 + row) * k + k0 + q : a, of_a * 4);
    const int depth = thread / 16, column = thread % 16 * 4;
    const int of_b = k0 + depth < k ? max(0, min(4, n - column0 - column)) : 0;
    cp_async16(bs + depth * kTile + column,
               of_b ? b + int64_t(k0 + depth) * n + column0 + column : b, of_b * 4);
    cp_async_commit();
  };
  float sums[4][4] = {};
  const int steps = (k + kDepth - 1) / kDepth;
  fetch(0, 0);
  for (int step = 0; step < steps; ++step) {
    if (step + 1 < steps) {
      fetch((step + 1) & 1, (step + 1) * kDepth);
      cp_async_wait<1>();
    } else {
      cp_async_wait<0>();
    }
    __syncthreads();
    const float *as = stages + (step & 1) * 2 * kStage, *bs = as + kStage;
    for (int q = 0; q < kDepth; ++q)
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j)
          sums[i][j] = fmaf(as[(ty * 4 + i) * kDepth + q], bs[q * kTile + tx + 16 * j], sums[i][j]);
    __syncthreads();
  }
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      const int row = row0 + ty * 4 + i, column = column0 + tx + 16 * j;
      if (row < m && column < n) c[int64_t(row) * n + column] = sums[i][j];
    }
}

__device__ void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], __half) {
  mma_f16_16816(d, a, b);
}
__device__ void multiply(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                         __nv_bfloat16) {
  mma_bf16_16816(d, a, b);
}

template <class T, MatrixLoads loads>
__global__ void matrix_instruction_kernel(const T* a, const T* b, float* c) {
  const int lane = int(threadIdx.x), group = lane / 4, t = lane % 4;
  unsigned as[4], bs[4];
  if constexpr (loads == MatrixLoads::kWords) {
    const auto word = [](const T* p) { return *reinterpret_cast<const unsigned*>(p); };
    for (int i = 0; i < 4; ++i) as[i] = word(a + (group + i % 2 * 8) * 16 + 2 * t + i / 2 * 8);
    for (int i = 0; i < 2; ++i) bs[i] = word(b + group * 16 + 2 * t + 8 * i);
  } else {
    __shared__ __align__(16) T of_a[16 * 16], of_b[16 * 8];
    for (int i = lane; i < 16 * 16; i += 32) of_a[i] = a[i];
    for (int i = lane; i < 16 * 8; i += 32) of_b[i] = b[i];
    __syncthreads();
    // Matrices 2 and 3 of b are 0 and 1 again.
    const int row = lane % 8, second = lane / 8 % 2;
    load_matrices<false>(as, of_a + (row + 8 * second) * 16 + lane / 16 * 8);
    if constexpr (loads == MatrixLoads::kRows)
      load_matrices<false>(bs, of_b + row * 16 + 8 * second);
    else
      load_matrices<true>(bs, of_b + (row + 8 * second) * 8);
  }
  float d[4] = {};
  const unsigned pair[2] = {bs[0], bs[1]};
  multiply(d, as, pair, T());
  for (int i = 0; i < 4; ++i) c[(group + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
}

__global__ void __launch_bounds__(256)
    largest_kernel(const float* __restrict__ x, int n, float* values, int* indices,
                   unsigned* ticket, int* index) {
  ArgMax best{-INFINITY, 0x7fffffff};
  for (int i = int(blockIdx.x * blockDim.x + threadIdx.x); i < n; i += int(gridDim.x * blockDim.x))
    best = better(best, {fabsf(x[i]), i});
  best = block_argmax(best);
  __shared__ int last[1];
  if (threadIdx.x == 0) {
    values[blockIdx.x] = best.value;
    indices[blockIdx.x] = best.index;
    __threadfence();
    last[0] = atomicInc(ticket, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last[0]) return;  // the whole block
  __threadfence();
  best = {-INFINITY, 0x7fffffff};
  for (int i = int(threadIdx.x); i < int(gridDim.x); i += int(blockDim.x))
    best = better(best, {__ldcg(values + i), __ldcg(indices + i)});
  best = block_argmax(best);
  if (threadIdx.x == 0) *index = best.index;
}

__global__ void __launch_bounds__(128) normalize_kernel(double* x, int n, double* partials) {
  double sum = 0;
  const int first = int(blockIdx.x * blockDim.x + threadIdx.x), step = int(gridDim.x * blockDim.x);
  for (int i = first; i < n; i += step) sum += x[i] * x[i];
  sum = block_reduce<Sum>(sum);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
  grid_sync();
  sum = 0;
  for (int i = int(threadIdx.x); i < int(gridDim.x); i += int(blockDim.x)) sum += partials[i];
  sum = block_reduce<Sum>(sum);
  for (int i = first; i < n; i += step) x[i] /= sqrt(sum);
}

__global__ void warp_operations_kernel(double* shuffles, int* votes) {
  const int lane = int(threadIdx.x);
  const double v = 0.1 * lane;  // needs all 64 bits
  double* out = shuffles + lane;
  out[0] = __shfl_sync(kFullWarp, v, 5);
  out[32] = __shfl_sync(kFullWarp, v, 3, 8);
  out[64] = __shfl_up_sync(kFullWarp, v, 3);
  out[96] = __shfl_down_sync(kFullWarp, v, 5, 16);
  out[128] = __shfl_xor_sync(kFullWarp, v, 7);
  out[160] = __shfl_xor_sync(kFullWarp, v, 8, 8);
  // Halves of a warp that do different things.
  if (lane < 16)
    out[192] = __shfl_sync(0x0000ffffu, v, 2);
  else
    out[192] = __shfl_xor_sync(0xffff0000u, v, 1);
  votes[lane] = int(__ballot_sync(kFullWarp, lane % 3 == 0));
  votes[32 + lane] = __any_sync(kFullWarp, lane == 31) * 2 + __all_sync(kFullWarp, lane < 31);
  __syncwarp();
  out[224] = warp_reduce<Sum>(v);
  out[256] = warp_reduce<Max>(v);
}

__global__ void counts_kernel(int* barriers, int* atomics, unsigned long long* wide) {
  const int thread = int(threadIdx.x), at = int(blockIdx.x) * 64 + thread;
  const int count = __syncthreads_count(thread % 5 == 0), any = __syncthreads_or(thread == 63),
            all = __syncthreads_and(thread < 63);
  barriers[at] = count * 4 + any * 2 + all;
  atomicAdd(atomics, thread);
  atomicSub(atomics + 1, 2);
  atomicMax(atomics + 2, at);
  atomicMin(atomics + 3, -at);
  atomicOr(atomics + 4, 1 << thread % 8);
  atomicAnd(atomics + 5, ~(1 << thread % 8));
  atomicCAS(atomics + 6, 0, 7);
  if (at == 0) atomicExch(atomics + 7, 9);
  atomicAdd(wide, 1ull << 40);
  atomicInc(reinterpret_cast<unsigned*>(atomics + 8), 99);
}

__global__ void first_thread_kernel(int* thread) { atomicCAS(thread, -1, int(threadIdx.x)); }

__global__ void widen_all_kernel(float* halves, float* bfloats) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  halves[i] = widen(__ushort_as_half(static_cast<unsigned short>(i)));
  bfloats[i] = widen(__ushort_as_bfloat16(static_cast<unsigned short>(i)));
}
__global__ void narrow_all_kernel(const double* x, int n, __half* halves, __nv_bfloat16* bfloats) {
  const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= n) return;
  halves[i] = narrow<__half>(float(x[i]));
  bfloats[i] = narrow<__nv_bfloat16>(float(x[i]));
  halves[n + i] = __double2half(x[i]);
  bfloats[n + i] = __double2bfloat16(x[i]);
}

}  // namespace

cudaError_t fill(float* out, int n, float value, cudaStream_t stream, unsigned threads) {
  return launch(fill_kernel, {dim3(unsigned(ceil_div(n, int(threads)))), dim3(threads), 0, stream},
                out, n, value);
}

cudaError_t fill_node(cudaGraph_t graph, cudaGraphNode_t before, float* out, int n, float value,
                      cudaGraphNode_t* node, cudaGraphExec_t executable) {
  describe_kernel(fill_kernel);
  void* arguments[] = {&out, &n, &value};
  const cudaKernelNodeParams params{reinterpret_cast<void*>(fill_kernel),
                                    dim3(unsigned(n + 255) / 256),
                                    dim3(256),
                                    0,
                                    arguments,
                                    nullptr};
  if (executable) return cudaGraphExecKernelNodeSetParams(executable, *node, &params);
  return cudaGraphAddKernelNode(node, graph, &before, before ? 1 : 0, &params);
}

template <class T>
cudaError_t row_statistics(const T* x, int rows, int columns, int stride, Wide<T>* squares,
                           Wide<T>* largest, cudaStream_t stream) {
  const bool vectors = reinterpret_cast<uintptr_t>(x) % 16 == 0 && stride % Vec<T>::n == 0;
  return launch(row_statistics_kernel<T>, {dim3(unsigned(rows)), dim3(128), 0, stream}, x, columns,
                stride, vectors, squares, largest);
}
template <class T>
cudaError_t copy_vectors(const T* x, int n, T* out, cudaStream_t stream) {
  return launch(copy_vectors_kernel<T>, {dim3(3), dim3(64), 0, stream}, x, n, out);
}
#define ORTHOKIT_TEST_KERNELS(T)                                                      \
  template cudaError_t row_statistics<T>(const T*, int, int, int, Wide<T>*, Wide<T>*, \
                                         cudaStream_t);                               \
  template cudaError_t copy_vectors<T>(const T*, int, T*, cudaStream_t);
ORTHOKIT_TEST_KERNELS(float)
ORTHOKIT_TEST_KERNELS(double)
ORTHOKIT_TEST_KERNELS(__half)
ORTHOKIT_TEST_KERNELS(__nv_bfloat16)

cudaError_t product(const float* a, const float* b, float* c, int m, int n, int k,
                    cudaStream_t stream) {
  const dim3 grid(unsigned(ceil_div(n, kTile)), unsigned(ceil_div(m, kTile)));
  return launch(product_kernel, {grid, dim3(256), 4 * kStage * sizeof(float), stream}, a, b, c, m,
                n, k);
}
template <class T>
cudaError_t matrix_instruction(const T* a, const T* b, float* c, MatrixLoads loads,
                               cudaStream_t stream) {
  const auto kernel =
      loads == MatrixLoads::kWords  ? matrix_instruction_kernel<T, MatrixLoads::kWords>
      : loads == MatrixLoads::kRows ? matrix_instruction_kernel<T, MatrixLoads::kRows>
                                    : matrix_instruction_kernel<T, MatrixLoads::kTransposed>;
  return launch(kernel, {dim3(1), dim3(32), 0, stream}, a, b, c);
}
template cudaError_t matrix_instruction(const __half*, const __half*, float*, MatrixLoads,
                                        cudaStream_t);
template cudaError_t matrix_instruction(const __nv_bfloat16*, const __nv_bfloat16*, float*,
                                        MatrixLoads, cudaStream_t);
cudaError_t largest(const float* x, int n, float* values, int* indices, unsigned* ticket,
                    int* index, cudaStream_t stream) {
  const unsigned blocks = unsigned(std::min(ceil_div(n, 256), 8));
  return launch(largest_kernel, {dim3(blocks), dim3(256), 0, stream}, x, n, values, indices, ticket,
                index);
}
cudaError_t normalize(double* x, int n, double* partials, int blocks, cudaStream_t stream) {
  return launch(normalize_kernel, {dim3(unsigned(blocks)), dim3(128), 0, stream, true}, x, n,
                partials);
}
cudaError_t warp_operations(double* shuffles, int* votes, cudaStream_t stream) {
  return launch(warp_operations_kernel, {dim3(1), dim3(32), 0, stream}, shuffles, votes);
}
cudaError_t counts(int* barriers, int* atomics, unsigned long long* wide, cudaStream_t stream) {
  return launch(counts_kernel, {dim3(3), dim3(64), 0, stream}, barriers, atomics, wide);
}
cudaError_t first_thread(int* thread, cudaStream_t stream) {
  return launch(first_thread_kernel, {dim3(1), dim3(64), 0, stream}, thread);
}
cudaError_t widen_all(float* halves, float* bfloats, cudaStream_t stream) {
  return launch(widen_all_kernel, {dim3(256), dim3(256), 0, stream}, halves, bfloats);
}
cudaError_t narrow_all(const double* x, int n, __half* halves, __nv_bfloat16* bfloats,
                       cudaStream_t stream) {
  return launch(narrow_all_kernel, {dim3(unsigned(ceil_div(n, 64))), dim3(64), 0, stream}, x, n,
                halves, bfloats);
}

}  // namespace kernels
