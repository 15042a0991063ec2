#include "ops/quantized/refine_codes.h"

#include <algorithm>
#include <cmath>

#include "cpu/chunks.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

void refine_codes(const RefineCodes& op, Stream& stream) {
  const int64_t n = op.grad.shape[1];
  const Coded all = coded(op.codes, op.codebooks, op.row_books, n, op.bits);
  const CodeStep step = code_step(op);
  const auto root = [](double x) { return std::sqrt(x); };
  for_rows(stream, all.rows, n * step.count, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t book = all.book_of(i);
      if (book < 0) continue;
      const float* numbers = all.codebooks + book * all.entries;
      uint8_t* codes = op.codes.as<uint8_t>() + i * all.row.bytes();
      for (int64_t from = 0; from < n; from += math::kBlockCodes) {
        uint8_t* block = codes + from / math::kBlockCodes * all.row.block_bytes();
        const int bytes = all.row.bytes_of_lane(from / math::kBlockCodes);
        for (int lane = 0; lane < math::kCodeLanes; ++lane) {
          const uint64_t old = math::read_lane(block, bytes, lane);
          uint64_t word = old;  // padding stays
          for (int h = 0; h < math::kLaneCodes; ++h) {
            const int64_t j = from + h * math::kCodeLanes + lane;
            if (j >= n) break;
            const auto code = int64_t(old >> (h * all.row.bits) & ((1u << all.row.bits) - 1));
            if (code >= all.entries) continue;
            const int64_t next = step.run(numbers, all.entries, code,
                                          double(op.grad.as<float>()[i * n + j]), i * n + j, root);
            word ^= uint64_t(code ^ next) << (h * all.row.bits);
          }
          math::write_lane(block, bytes, lane, word);
        }
      }
    }
  });
}
ORTHOKIT_KERNEL(RefineCodes, refine_codes);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
