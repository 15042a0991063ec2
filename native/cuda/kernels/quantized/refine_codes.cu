#include "cuda/kernels/quantized/shared/code_words.cuh"
#include "ops/quantized/refine_codes.h"

namespace orthokit::cuda {

struct RefineWord {
  CodeStep step;
  const float* grad;
  uint8_t* codes;
  __device__ void operator()(const Coded& all, const CodeWord& at) const {
    const int64_t book = all.book_of(at.row);
    if (book < 0) return;
    const float* numbers = all.codebooks + book * all.entries;
    uint8_t* block = codes + at.row * all.row.bytes() + at.block * all.row.block_bytes();
    const int bytes = all.row.bytes_of_lane(at.block);
    const uint64_t old = math::read_lane(block, bytes, at.lane);
    uint64_t word = old;  // padding stays
    for (int h = 0; h < math::kLaneCodes; ++h) {
      const int64_t j = at.block * math::kBlockCodes + h * math::kCodeLanes + at.lane;
      if (j >= all.row.columns) break;
      const auto code = int64_t(old >> (h * all.row.bits) & ((1u << all.row.bits) - 1));
      const int64_t place = at.row * all.row.columns + j;
      if (code >= all.entries) continue;
      const int64_t next = step.run(numbers, all.entries, code, double(grad[place]), place,
                                    [](double x) { return sqrt(x); });
      word ^= uint64_t(code ^ next) << (h * all.row.bits);
    }
    math::write_lane(block, bytes, at.lane, word);
  }
};

static void refine_codes(const RefineCodes& op, Stream& stream) {
  const Coded all = coded(op.codes, op.codebooks, op.row_books, op.grad.shape[1], op.bits);
  for_code_words(stream, all,
                 RefineWord{code_step(op), op.grad.as<float>(), op.codes.as<uint8_t>()});
}
ORTHOKIT_KERNEL(RefineCodes, refine_codes);

}  // namespace orthokit::cuda
