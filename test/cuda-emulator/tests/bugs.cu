// Kernels and uses of the runtime with one bug each, on purpose: the emulator has to notice every
// one. usage: cudaemu_bugs; prints what went unnoticed, and what is right but was taken for a bug;
// exit 1 if there is any.
#include <cstdio>
#include <functional>
#include <vector>

#include "control.h"
#include "cuda/device/async.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/device/load.cuh"
#include "cuda/device/mma.cuh"
#include "cuda/device/reduce.cuh"

using namespace orthokit::cuda;

namespace {

__global__ void missing_barrier(float* out) {
  __shared__ float values[64];
  values[threadIdx.x] = float(threadIdx.x);
  out[threadIdx.x] = values[63 - threadIdx.x];
}
__global__ void missing_barrier_before_write(float* out) {
  __shared__ float values[64];
  values[threadIdx.x] = 1;
  __syncthreads();
  const float v = values[(threadIdx.x + 33) % 64];
  values[threadIdx.x] = v + 1;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x];
}
__global__ void missing_barrier_in_loop(const float* x, float* out) {
  __shared__ float tile[64];
  float sum = 0;
  for (int i = 0; i < 4; ++i) {
    tile[threadIdx.x] = x[i * 64 + threadIdx.x];
    __syncthreads();
    sum += tile[63 - threadIdx.x];
  }
  out[threadIdx.x] = sum;
}
__global__ void missing_syncwarp(float* out) {
  __shared__ float values[32];
  values[threadIdx.x] = 1;
  out[threadIdx.x] = values[threadIdx.x ^ 1];
}
template <bool synchronized>
__global__ void write_after_reads(float* out) {
  __shared__ float value;
  if (threadIdx.x == 0) value = 1;
  __syncthreads();
  out[threadIdx.x] = value;
  if constexpr (synchronized) __syncwarp();
  if (threadIdx.x == 0) value = 2;
}
__global__ void divergent_barrier(float* out) {
  if (threadIdx.x < 16) {
    __syncthreads();
  } else {
    out[threadIdx.x] = 1;
    __syncthreads();
  }
}
__global__ void barrier_after_return(float* out) {
  if (threadIdx.x >= 40) return;
  __syncthreads();
  out[threadIdx.x] = 1;
}
__global__ void barrier_in_half(float* out) {
  if (threadIdx.x < 32) {
    out[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = 2;
  } else if (threadIdx.x == 32) {
    out[32] = __shfl_sync(1u, 1.f, 0);
  }
}
__global__ void reduction_in_branch(float* out) {
  float v = 1;
  if (threadIdx.x < 32) v = block_reduce<Sum>(v);
  out[threadIdx.x] = v;
}
__global__ void shuffle_in_branch(float* out) {
  float v = 1;
  if (threadIdx.x % 2) v = __shfl_xor_sync(kFullWarp, v, 1);
  out[threadIdx.x] = v;
}
__global__ void shuffle_in_partial_warp(float* out) {
  out[threadIdx.x] = __shfl_xor_sync(kFullWarp, 1.f, 1);
}
__global__ void shuffle_outside_mask(float* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_sync(0xffffu, 1.f, 20);
}
__global__ void shuffles_of_two_kinds(float* out) {
  float v = 1;
  if (threadIdx.x % 2)
    v = __shfl_up_sync(kFullWarp, v, 1);
  else
    v = __shfl_down_sync(kFullWarp, v, 1);
  out[threadIdx.x] = v;
}
__global__ void masks_that_never_meet(float* out) {
  float v = 1;
  if (threadIdx.x < 16)
    v = __shfl_sync(0x0001ffffu, v, 0);
  else
    v = __shfl_sync(0xffff0001u, v, 16);
  out[threadIdx.x] = v;
}
__global__ void return_before_shuffle(float* out) {
  if (threadIdx.x == 7) return;
  out[threadIdx.x] = __shfl_xor_sync(kFullWarp, 1.f, 1);
}
__global__ void matrix_instruction_in_branch(float* out) {
  float d[4] = {};
  const unsigned a[4] = {}, b[2] = {};
  if (threadIdx.x < 16) mma_bf16_16816(d, a, b);
  out[threadIdx.x] = d[0];
}
__global__ void grid_barrier_alone(float* out) {
  grid_sync();
  out[threadIdx.x] = 1;
}
__global__ void grid_barrier_in_half(float* out) {
  if (blockIdx.x == 0) grid_sync();
  out[blockIdx.x * 32 + threadIdx.x] = 1;
}
__global__ void grid_barrier_missing(float* out) {
  out[blockIdx.x * 32 + threadIdx.x] = 1;
  out[64 + blockIdx.x * 32 + threadIdx.x] = out[(1 - blockIdx.x) * 32 + threadIdx.x];
}
__global__ void write_past_end(float* out, int n) {
  const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (i <= n) out[i] = 1;
}
__global__ void read_before_start(const float* x, float* out) {
  out[threadIdx.x] = x[int(threadIdx.x) - 1];
}
__global__ void vector_past_end(const float* x, int n, float* out) {
  float v[4];
  Vec<float>::load(x + n - 4 + 4 * threadIdx.x, v);
  out[threadIdx.x] = v[0];
}
__global__ void shared_past_end(float* out) {
  __shared__ float values[32];
  values[threadIdx.x + 1] = 1;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x + 1];
}
__global__ void dynamic_shared_past_end(float* out) {
  float* values = dyn_shared<float>();
  values[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x];
}
__global__ void static_beside_dynamic_shared(float* out) {
  __shared__ float values[64];
  float* more = dyn_shared<float>();
  values[threadIdx.x] = more[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = values[63 - threadIdx.x] + more[threadIdx.x];
}
__global__ void row_of_shared_past_end(float* out) {
  __shared__ float values[4][32];
  values[threadIdx.x / 32][threadIdx.x % 32] = 1;
  __syncthreads();
  const int j = int(threadIdx.x) + 1;
  out[threadIdx.x] = values[0][j];
}
__global__ void read_global(const float* x, float* out) { out[threadIdx.x] = x[threadIdx.x] * 2; }
__global__ void read_fresh_shared(float* out) {
  __shared__ float values[64];
  if (threadIdx.x) values[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x];
}
__global__ void misaligned_vector(const float* x, float* out) {
  const float4 v = *reinterpret_cast<const float4*>(x + 1);
  out[threadIdx.x] = v.x + v.w;
}
__global__ void misaligned_halves(const __nv_bfloat16* x, float* out) {
  float v[8];
  Vec<__nv_bfloat16>::load(x + 4, v);
  out[threadIdx.x] = v[0];
}
__global__ void blocks_write_one_place(float* out) { out[threadIdx.x] = float(blockIdx.x); }
__global__ void atomic_and_plain(float* out) {
  if (threadIdx.x < 32)
    atomicAdd(reinterpret_cast<int*>(out), 1);
  else if (threadIdx.x == 40)
    out[0] = 5;
}
__global__ void copy_without_wait(const float* x, float* out) {
  __shared__ __align__(16) float values[128];
  cp_async16(values + threadIdx.x * 4, x + threadIdx.x * 4);
  cp_async_commit();
  __syncthreads();
  out[threadIdx.x] = values[127 - threadIdx.x];
}
__global__ void copy_waits_for_too_few(const float* x, float* out) {
  __shared__ __align__(16) float values[2][128];
  for (int stage = 0; stage < 2; ++stage) {
    cp_async16(values[stage] + threadIdx.x * 4, x + threadIdx.x * 4);
    cp_async_commit();
  }
  cp_async_wait<1>();
  __syncthreads();
  out[threadIdx.x] = values[1][threadIdx.x * 4];
}
__global__ void copy_misaligned(const float* x, float* out) {
  __shared__ __align__(16) float values[132];
  cp_async16(values + threadIdx.x * 4, x + threadIdx.x * 4 + 1);
  cp_async_commit();
  cp_async_wait<0>();
  out[threadIdx.x] = values[threadIdx.x * 4];
}
__global__ void ticket_without_fence(float* parts, unsigned* ticket, float* out) {
  __shared__ int last[1];
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = 1;
    last[0] = atomicInc(ticket, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last[0] || threadIdx.x != 0) return;
  float sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum += parts[i];
  *out = sum;
}
__global__ void write_one(float* out) { out[threadIdx.x] = 1; }
__global__ void shift_too_far(const int* by, float* out) {
  out[threadIdx.x] = float(1 << by[threadIdx.x]);
}
__global__ void index_overflow(const int* rows, float* out) {
  out[threadIdx.x] = float(rows[threadIdx.x] * 65536);
}
__global__ void divide_by_zero(const int* by, float* out) {
  out[threadIdx.x] = float(1024 / by[threadIdx.x]);
}
__global__ void cast_out_of_range(const float* x, float* out) {
  out[threadIdx.x] = float(int(x[threadIdx.x] * 1e20f));
}
__global__ void fill(float* out, int n, float v) {
  const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) out[i] = v;
}

cudaStream_t stream;
int noticed = 0, unnoticed = 0, skipped = 0, mistaken = 0;

struct Buffers {  // fresh ones for every bug
  float *x = nullptr, *out = nullptr;
  int* numbers = nullptr;
  unsigned* ticket = nullptr;

  Buffers() {
    cudaemu_control("clear");
    cudaMalloc(&x, 4096 * sizeof(float));
    cudaMalloc(&out, 128 * sizeof(float));
    cudaMalloc(&numbers, 32 * sizeof(int));
    cudaMalloc(&ticket, sizeof(unsigned));
    cudaMemsetAsync(ticket, 0, sizeof(unsigned), stream);
  }
  ~Buffers() { cudaemu_control("clear"); }
};

template <class... P, class... A>
void run(void (*kernel)(P...), unsigned grid, unsigned block, A... arguments) {
  (void)launch(kernel, {dim3(grid), dim3(block), 0, stream}, arguments...);
}

// In the source alone: what has a meaning in PTX and none in C++, what nvcc leaves out as unused, and
// grid barriers, which are not interpreted.
enum class Seen { kAlways, kWhenChecked, kInSource };

void expect(const char* name, Seen seen, const std::function<void(Buffers&)>& bug) {
  const bool checked = cudaemu_control("checked?"), interpreted = cudaemu_control("interpreted?");
  if ((seen != Seen::kAlways && !checked) || (seen == Seen::kInSource && interpreted)) {
    ++skipped;
    return;
  }
  Buffers buffers;
  bug(buffers);
  cudaStreamSynchronize(stream);
  if (cudaemu_control("findings?")) {
    ++noticed;
    char text[512];
    cudaemu_last_finding(text, sizeof text);
    std::printf("%-40s %s\n", name, text);
  } else {
    ++unnoticed;
    std::printf("%-40s NOT NOTICED\n", name);
  }
}

// A kernel that is right is not taken for a bug.
void accept(const char* name, const std::function<void(Buffers&)>& kernel) {
  Buffers buffers;
  kernel(buffers);
  cudaStreamSynchronize(stream);
  if (!cudaemu_control("findings?")) return;
  ++mistaken;
  char text[512];
  cudaemu_last_finding(text, sizeof text);
  std::printf("%-40s IS NO BUG, but: %s\n", name, text);
}

void initialise(Buffers& b) { run(fill, 16, 256, b.x, 4096, 1.f); }

void synchronisation() {
  const auto always = Seen::kAlways, checked = Seen::kWhenChecked;
  expect("missing barrier", checked, [](Buffers& b) { run(missing_barrier, 1, 64, b.out); });
  expect("missing barrier, write after read", checked,
         [](Buffers& b) { run(missing_barrier_before_write, 1, 64, b.out); });
  expect("missing second barrier of a loop", checked, [](Buffers& b) {
    initialise(b);
    run(missing_barrier_in_loop, 1, 64, b.x, b.out);
  });
  expect("missing syncwarp", checked, [](Buffers& b) { run(missing_syncwarp, 1, 32, b.out); });
  expect("missing syncwarp, write after reads of a warp", checked,
         [](Buffers& b) { run(write_after_reads<false>, 1, 32, b.out); });
  expect("syncwarp, write after reads of two warps", checked,
         [](Buffers& b) { run(write_after_reads<true>, 1, 64, b.out); });
  accept("write after reads of a warp",
         [](Buffers& b) { run(write_after_reads<true>, 1, 32, b.out); });
  expect("divergent barrier", always, [](Buffers& b) { run(divergent_barrier, 1, 64, b.out); });
  expect("barrier after a return", always,
         [](Buffers& b) { run(barrier_after_return, 1, 64, b.out); });
  expect("barrier in half a block", always, [](Buffers& b) { run(barrier_in_half, 1, 64, b.out); });
  expect("block reduction in a branch", always,
         [](Buffers& b) { run(reduction_in_branch, 1, 64, b.out); });
  expect("shuffle in a branch", always, [](Buffers& b) { run(shuffle_in_branch, 1, 32, b.out); });
  expect("shuffle in a partial warp", always,
         [](Buffers& b) { run(shuffle_in_partial_warp, 1, 40, b.out); });
  expect("shuffle reads outside its mask", always,
         [](Buffers& b) { run(shuffle_outside_mask, 1, 32, b.out); });
  expect("two shuffles meet", always, [](Buffers& b) { run(shuffles_of_two_kinds, 1, 32, b.out); });
  expect("masks that never meet", always,
         [](Buffers& b) { run(masks_that_never_meet, 1, 32, b.out); });
  expect("return before a shuffle", always,
         [](Buffers& b) { run(return_before_shuffle, 1, 32, b.out); });
  expect("matrix instruction in a branch", always,
         [](Buffers& b) { run(matrix_instruction_in_branch, 1, 32, b.out); });
  expect("grid barrier in an ordinary launch", always,
         [](Buffers& b) { run(grid_barrier_alone, 1, 32, b.out); });
  expect("grid barrier in half the blocks", always, [](Buffers& b) {
    (void)launch(grid_barrier_in_half, {dim3(2), dim3(32), 0, stream, true}, b.out);
  });
  expect("missing grid barrier", Seen::kInSource, [](Buffers& b) {
    (void)launch(grid_barrier_missing, {dim3(2), dim3(32), 0, stream, true}, b.out);
  });
  expect("two blocks write one place", checked,
         [](Buffers& b) { run(blocks_write_one_place, 2, 32, b.out); });
  expect("atomic and plain store", checked, [](Buffers& b) {
    run(fill, 1, 64, b.out, 64, 1.f);
    run(atomic_and_plain, 1, 64, b.out);
  });
  expect("asynchronous copy without a wait", checked, [](Buffers& b) {
    initialise(b);
    run(copy_without_wait, 1, 32, b.x, b.out);
  });
  expect("asynchronous copy, wait for too few", checked, [](Buffers& b) {
    initialise(b);
    run(copy_waits_for_too_few, 1, 32, b.x, b.out);
  });
  expect("ticket without a fence", checked,
         [](Buffers& b) { run(ticket_without_fence, 8, 32, b.x, b.ticket, b.out); });
}

void memory() {
  const auto always = Seen::kAlways, checked = Seen::kWhenChecked;
  expect("write past the end", checked,
         [](Buffers& b) { run(write_past_end, 17, 256, b.x, 4096); });
  expect("read before the start", checked, [](Buffers& b) {
    initialise(b);
    run(read_before_start, 1, 32, b.x, b.out);
  });
  expect("vector past the end", checked, [](Buffers& b) {
    initialise(b);
    run(vector_past_end, 1, 32, b.x, 4096, b.out);
  });
  expect("shared memory past the end", checked,
         [](Buffers& b) { run(shared_past_end, 1, 32, b.out); });
  expect("dynamic shared memory past the end", checked, [](Buffers& b) {
    (void)launch(dynamic_shared_past_end, {dim3(1), dim3(64), 128, stream}, b.out);
  });
  expect("more shared memory than a launch may have", always, [](Buffers& b) {
    const size_t dynamic = (48 << 10) - 255;  // one more byte than is left by the static ones
    (void)launch(static_beside_dynamic_shared, {dim3(1), dim3(64), dynamic, stream}, b.out);
  });
  expect("row of a shared array past the end", Seen::kInSource,
         [](Buffers& b) { run(row_of_shared_past_end, 1, 64, b.out); });
  expect("unwritten global memory", checked,
         [](Buffers& b) { run(read_global, 1, 32, b.x, b.out); });
  expect("copy of unwritten memory to the host", checked, [](Buffers& b) {
    std::vector<float> host(8);
    cudaMemcpyAsync(host.data(), b.x, 32, cudaMemcpyDeviceToHost, stream);
  });
  expect("unwritten shared memory", checked,
         [](Buffers& b) { run(read_fresh_shared, 1, 64, b.out); });
  expect("misaligned float4", checked, [](Buffers& b) {
    initialise(b);
    run(misaligned_vector, 1, 1, b.x, b.out);
  });
  expect("misaligned vector of bf16", Seen::kInSource, [](Buffers& b) {
    initialise(b);
    run(misaligned_halves, 1, 1, reinterpret_cast<const __nv_bfloat16*>(b.x), b.out);
  });
  expect("misaligned asynchronous copy", always, [](Buffers& b) {
    initialise(b);
    run(copy_misaligned, 1, 32, b.x, b.out);
  });
  expect("null pointer", checked,
         [](Buffers&) { run(write_one, 1, 32, static_cast<float*>(nullptr)); });
  expect("the host's memory in a kernel", checked, [](Buffers&) {
    static std::vector<float> host(64);
    run(write_one, 1, 32, host.data());
  });
  expect("use after free", checked, [](Buffers&) {
    float* p;
    cudaMalloc(&p, 256);
    cudaFree(p);
    run(write_one, 1, 32, p);
  });
  expect("use after free in stream order", checked, [](Buffers&) {
    float* p;
    cudaMallocAsync(&p, 256, stream);
    cudaFreeAsync(p, stream);
    run(write_one, 1, 32, p);
  });
#ifdef __SANITIZE_THREAD__  // code of the host is seen only where it is instrumented
  expect("the host follows a device pointer", checked, [](Buffers& b) {
    initialise(b);
    cudaStreamSynchronize(stream);
    const volatile float v = b.x[3];
    (void)v;
  });
#endif
}

void arithmetic() {
  const auto with = [](int value, void (*kernel)(const int*, float*)) {
    return [value, kernel](Buffers& b) {
      const std::vector<int> host(32, value);
      cudaMemcpyAsync(b.numbers, host.data(), 32 * sizeof(int), cudaMemcpyHostToDevice, stream);
      run(kernel, 1, 32, b.numbers, b.out);
    };
  };
  expect("shift too far", Seen::kInSource, with(32, shift_too_far));
  expect("overflow of an int index", Seen::kInSource, with(65536, index_overflow));
  expect("integer division by zero", Seen::kInSource, with(0, divide_by_zero));
  expect("cast to int out of range", Seen::kInSource, [](Buffers& b) {
    initialise(b);
    run(cast_out_of_range, 1, 32, b.x, b.out);
  });
}

void host() {
  const auto always = Seen::kAlways;
  expect("copy past the end", always, [](Buffers& b) {
    std::vector<float> host(200);
    cudaMemcpyAsync(b.out, host.data(), 129 * sizeof(float), cudaMemcpyHostToDevice, stream);
  });
  expect("wrong direction of a copy", always, [](Buffers& b) {
    std::vector<float> host(8);
    cudaMemcpyAsync(b.out, host.data(), 4, cudaMemcpyDeviceToHost, stream);
  });
  expect("memset past the end", always,
         [](Buffers& b) { cudaMemsetAsync(b.out, 0, 129 * sizeof(float), stream); });
  expect("double free", always, [](Buffers&) {
    float* p;
    cudaMalloc(&p, 256);
    cudaFree(p);
    cudaFree(p);
  });
  expect("free within an allocation", always, [](Buffers& b) { cudaFree(b.x + 64); });
  expect("call from a host function", always, [](Buffers&) {
    cudaLaunchHostFunc(
        stream, [](void*) { cudaDeviceSynchronize(); }, nullptr);
  });
}

}  // namespace

int main() {
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  synchronisation();
  memory();
  arithmetic();
  host();
  cudaStreamDestroy(stream);
  std::printf("%d noticed, %d not noticed, %d for another build\n", noticed, unnoticed, skipped);
  return unnoticed != 0 || mistaken != 0;
}
