#include "cuda/kernels/quantized/shared/code_words.cuh"
#include "ops/quantized/assign_codes.h"

namespace orthokit::cuda {

// As on the CPU: an x above so many borders has the code of that place.
struct BookBorders {
  float border[kMostCodes];
  uint8_t code[kMostCodes];
};

// A block a codebook, a thread a number: its place among those that are different is how many of
// them are less.
__global__ void __launch_bounds__(int(kMostCodes))
    book_borders_kernel(const float* codebooks, int64_t entries, BookBorders* all) {
  __shared__ float numbers[kMostCodes], sorted[kMostCodes];
  __shared__ uint8_t first[kMostCodes];  // whether the number is there, and no one before equals it
  const auto t = int64_t(threadIdx.x);
  const float own = t < entries ? codebooks[int64_t(blockIdx.x) * entries + t] : NAN;
  numbers[t] = own, sorted[t] = NAN;
  __syncthreads();
  bool is_first = own == own;
  for (int64_t k = 0; k < t; ++k) is_first = is_first && numbers[k] != own;
  first[t] = is_first ? 1 : 0;
  BookBorders& borders = all[blockIdx.x];
  borders.border[t] = INFINITY, borders.code[t] = 0;
  __syncthreads();
  int place = 0;
  for (int64_t k = 0; k < entries; ++k) place += first[k] != 0 && numbers[k] < own ? 1 : 0;
  if (is_first) sorted[place] = own, borders.code[place] = uint8_t(t);
  __syncthreads();
  if (t + 1 < kMostCodes && sorted[t + 1] == sorted[t + 1]) {
    const double middle = (double(sorted[t]) + double(sorted[t + 1])) / 2;
    auto border = float(middle);
    if (double(border) > middle) border = nextafterf(border, -INFINITY);
    borders.border[t] = border;
  }
}

struct AssignWord {
  const float* x;
  const BookBorders* borders;
  uint8_t* codes;
  __device__ void operator()(const Coded& all, const CodeWord& at) const {
    const int64_t book = all.book_of(at.row);
    uint64_t word = 0;
    for (int h = 0; h < math::kLaneCodes && book >= 0; ++h) {
      const int64_t j = at.block * math::kBlockCodes + h * math::kCodeLanes + at.lane;
      if (j >= all.row.columns) break;
      const float value = x[at.row * all.row.columns + j];
      const BookBorders& own = borders[book];
      int place = 0;
      for (int half = int(kMostCodes) / 2; half > 0; half /= 2)
        place += value > own.border[place + half - 1] ? half : 0;
      word |= uint64_t(own.code[place]) << (h * all.row.bits);
    }
    math::write_lane(codes + at.row * all.row.bytes() + at.block * all.row.block_bytes(),
                     all.row.bytes_of_lane(at.block), at.lane, word);
  }
};

static void assign_codes(const AssignCodes& op, Stream& stream) {
  const Coded all = coded(op.codes, op.codebooks, op.row_books, op.x.shape[1], op.bits);
  auto* borders = stream.scratch<BookBorders>(all.books);
  launch(stream, book_borders_kernel, {dim3(unsigned(all.books)), dim3(unsigned(kMostCodes))},
         all.codebooks, all.entries, borders);
  for_code_words(stream, all, AssignWord{op.x.as<float>(), borders, op.codes.as<uint8_t>()});
}
ORTHOKIT_KERNEL(AssignCodes, assign_codes);

}  // namespace orthokit::cuda
