#include "cuda/device/reduce.cuh"
#include "cuda/kernels/quantized/shared/code_words.cuh"
#include "ops/quantized/codebook_gemm.h"

namespace orthokit::cuda {

struct BookProduct {
  Coded all;
  const float *x, *bias;
  float* out;
  int64_t batch, inner, outputs;
  float beta;
  bool in_words;

  __device__ void store(int64_t b, int64_t o, double sum) const {
    float& to = out[b * outputs + o];
    const double old = beta == 0 ? 0 : double(beta) * double(to);
    to = float(old + (bias ? double(bias[o]) : 0) + sum);
  }
  // The numbers of a row's codebook; NaN for codes that it does not have.
  __device__ float number(int64_t book, uint32_t code) const {
    return book >= 0 && code < all.entries ? all.codebooks[book * all.entries + code] : NAN;
  }
};

inline constexpr int kBookRows = 4;        // of codes, a warp each
inline constexpr int64_t kBookInputs = 8;  // rows of x that one read of codes serves

// A warp a row of codes: half a warp reads a block, whose 8 codes a thread meet 8 numbers of x.
__global__ void __launch_bounds__(32 * kBookRows) book_rows_kernel(BookProduct p) {
  __shared__ float books[kBookRows][kMostCodes];
  const int lane = int(threadIdx.x) % 32, own = int(threadIdx.x) / 32;
  const int bits = p.all.row.bits;
  for (int64_t first = int64_t(blockIdx.x) * kBookRows; first < p.outputs;
       first += int64_t(gridDim.x) * kBookRows) {
    const int64_t row = first + own;
    const int64_t book = row < p.outputs ? p.all.book_of(row) : -1;
    for (int k = lane; k < 1 << bits; k += 32) books[own][k] = p.number(book, uint32_t(k));
    __syncthreads();
    if (row < p.outputs) {
      const uint8_t* codes = p.all.codes_of(row);
      const int64_t blocks = (p.inner + math::kBlockCodes - 1) / math::kBlockCodes;
      for (int64_t from = 0; from < p.batch; from += kBookInputs) {
        double sums[kBookInputs] = {};
        for (int64_t block = lane / math::kCodeLanes; block < blocks; block += 2) {
          const int of_block = lane % math::kCodeLanes;
          const uint64_t word =
              load_code_word(codes + block * p.all.row.block_bytes(),
                             p.all.row.bytes_of_lane(block), of_block, p.in_words);
          float part[kBookInputs] = {};
          for (int h = 0; h < math::kLaneCodes; ++h) {
            const int64_t j = block * math::kBlockCodes + h * math::kCodeLanes + of_block;
            if (j >= p.inner) break;
            const float w = books[own][word >> (h * bits) & ((1u << bits) - 1)];
#pragma unroll
            for (int b = 0; b < kBookInputs; ++b)
              if (from + b < p.batch) part[b] += w * p.x[(from + b) * p.inner + j];
          }
#pragma unroll
          for (int b = 0; b < kBookInputs; ++b) sums[b] += double(part[b]);
        }
#pragma unroll
        for (int b = 0; b < kBookInputs; ++b) {
          const double sum = warp_reduce<Sum>(sums[b]);
          if (lane == 0 && from + b < p.batch) p.store(from + b, row, sum);
        }
      }
    }
    __syncthreads();
  }
}

inline constexpr int kBookTile = 64, kBookDepth = 32, kBookThreads = 256, kBookEach = 4;

// A tile of 64 × 64 of out a block. Its weights are decoded, 32 deep, into shared memory.
template <bool turned>
__global__ void __launch_bounds__(kBookThreads) book_tiles_kernel(BookProduct p) {
  __shared__ float xs[kBookDepth][kBookTile + 1], ws[kBookDepth][kBookTile + 1];
  const int64_t tiles_o = (p.outputs + kBookTile - 1) / kBookTile,
                tiles = tiles_o * ((p.batch + kBookTile - 1) / kBookTile);
  const int t = int(threadIdx.x), tb = t / 16, to = t % 16;
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const int64_t b0 = tile / tiles_o * kBookTile, o0 = tile % tiles_o * kBookTile;
    float sums[kBookEach][kBookEach] = {};
    for (int64_t k0 = 0; k0 < p.inner; k0 += kBookDepth) {
      for (int i = t; i < kBookDepth * kBookTile; i += kBookThreads) {
        const int k = i % kBookDepth, b = i / kBookDepth;
        xs[k][b] = b0 + b < p.batch && k0 + k < p.inner ? p.x[(b0 + b) * p.inner + k0 + k] : 0;
        // Neighbours of a row of codes are neighbours of threads.
        const int wk = turned ? i / kBookTile : k, wo = turned ? i % kBookTile : b;
        const int64_t row = turned ? k0 + wk : o0 + wo, column = turned ? o0 + wo : k0 + wk;
        const bool inside = k0 + wk < p.inner && o0 + wo < p.outputs;
        ws[wk][wo] = inside ? p.number(p.all.book_of(row),
                                       math::read_code(p.all.row, p.all.codes_of(row), column))
                            : 0;
      }
      __syncthreads();
      const int64_t left = p.inner - k0;
      const int depth = left < kBookDepth ? int(left) : kBookDepth;
      for (int k = 0; k < depth; ++k) {
        float a[kBookEach], w[kBookEach];
#pragma unroll
        for (int e = 0; e < kBookEach; ++e) a[e] = xs[k][tb + 16 * e], w[e] = ws[k][to + 16 * e];
#pragma unroll
        for (int e = 0; e < kBookEach; ++e)
#pragma unroll
          for (int f = 0; f < kBookEach; ++f) sums[e][f] += a[e] * w[f];
      }
      __syncthreads();
    }
#pragma unroll
    for (int e = 0; e < kBookEach; ++e)
#pragma unroll
      for (int f = 0; f < kBookEach; ++f) {
        const int64_t b = b0 + tb + 16 * e, o = o0 + to + 16 * f;
        if (b < p.batch && o < p.outputs) p.store(b, o, double(sums[e][f]));
      }
  }
}

static void codebook_gemm(const CodebookGemm& op, Stream& stream) {
  const Coded all = coded(op.codes, op.codebooks, op.row_books, op.columns(), op.bits);
  const BookProduct p{all,
                      op.x.as<const float>(),
                      op.bias.as<const float>(),
                      op.out.as<float>(),
                      op.x.shape[0],
                      op.x.shape[1],
                      op.out.shape[1],
                      float(op.beta),
                      lies_in_words(all)};
  if (p.batch == 0 || p.outputs == 0) return;
  constexpr int64_t kMostBlocks = 1 << 20, kFewInputs = 2 * kBookInputs;
  const auto blocks_for = [](int64_t count) {
    return dim3(unsigned(count < kMostBlocks ? count : kMostBlocks));
  };
  if (!op.is_transposed() && p.batch <= kFewInputs)
    return launch(stream, book_rows_kernel,
                  {blocks_for((p.outputs + kBookRows - 1) / kBookRows), dim3(32 * kBookRows)}, p);
  const int64_t tiles =
      (p.outputs + kBookTile - 1) / kBookTile * ((p.batch + kBookTile - 1) / kBookTile);
  if (op.is_transposed())
    launch(stream, book_tiles_kernel<true>, {blocks_for(tiles), dim3(kBookThreads)}, p);
  else
    launch(stream, book_tiles_kernel<false>, {blocks_for(tiles), dim3(kBookThreads)}, p);
}
ORTHOKIT_KERNEL(CodebookGemm, codebook_gemm);

}  // namespace orthokit::cuda
