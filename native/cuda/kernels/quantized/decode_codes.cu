#include "cuda/kernels/quantized/shared/code_words.cuh"
#include "ops/quantized/decode_codes.h"

namespace orthokit::cuda {

struct DecodeWord {
  float* out;
  bool in_words;
  __device__ void operator()(const Coded& all, const CodeWord& at) const {
    const int64_t book = all.book_of(at.row), entries = book < 0 ? 0 : all.entries;
    const uint64_t word = load_code_word(all.codes_of(at.row) + at.block * all.row.block_bytes(),
                                         all.row.bytes_of_lane(at.block), at.lane, in_words);
    for (int h = 0; h < math::kLaneCodes; ++h) {
      const int64_t j = at.block * math::kBlockCodes + h * math::kCodeLanes + at.lane;
      if (j >= all.row.columns) return;
      const auto code = int64_t(word >> (h * all.row.bits) & ((1u << all.row.bits) - 1));
      out[at.row * all.row.columns + j] =
          code < entries ? all.codebooks[book * all.entries + code] : NAN;
    }
  }
};

static void decode_codes(const DecodeCodes& op, Stream& stream) {
  const Coded all = coded(op.codes, op.codebooks, op.row_books, op.out.shape[1], op.bits);
  for_code_words(stream, all, DecodeWord{op.out.as<float>(), lies_in_words(all)});
}
ORTHOKIT_KERNEL(DecodeCodes, decode_codes);

}  // namespace orthokit::cuda
