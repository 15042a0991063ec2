#include "ops/quantized/refine_codes.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "cpu/chunks.h"
#include "cpu/kernels/quantized/shared/book_lanes.h"
#include "cpu/kernels/quantized/shared/code_steps.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Steps of a row: codes that are 16 neighbours together where they have the logits of neighbours
// and there is a book, others one by one.
static void refine_row(const RefineCodes& op, const Coded& all, const CodeStep& step,
                       const Book* book, int64_t i) {
  const int64_t n = all.row.columns;
  const float* numbers = all.codebooks + all.book_of(i) * all.entries;
  const auto root = [](double x) { return std::sqrt(x); };
  uint8_t* codes = op.codes.as<uint8_t>() + i * all.row.bytes();
  const uint32_t mask = (1u << all.row.bits) - 1;
  for (int64_t from = 0, b = 0; from < n; from += math::kBlockCodes, ++b) {
    uint8_t* block = codes + b * all.row.block_bytes();
    const int bytes = all.row.bytes_of_lane(b);
    uint64_t words[math::kCodeLanes];
    for (int lane = 0; lane < math::kCodeLanes; ++lane)
      words[lane] = math::read_lane(block, bytes, lane);
    for (int h = 0; h < math::kLaneCodes && from + h * math::kCodeLanes < n; ++h) {
      const int64_t j = from + h * math::kCodeLanes, at = i * n + j;
      const int width = int(std::min<int64_t>(math::kCodeLanes, n - j)), shift = h * all.row.bits;
      const float* grad = op.grad.as<float>() + at;
      uint32_t old[math::kCodeLanes], next[math::kCodeLanes];
      for (int lane = 0; lane < math::kCodeLanes; ++lane)
        next[lane] = old[lane] = uint32_t(words[lane] >> shift) & mask;
      if (book && width == math::kCodeLanes)
        CodeSteps{step, *book, all.entries, all.row.bits}.run(grad, at, old, next);
      else
        for (int lane = 0; lane < width; ++lane)
          if (old[lane] < all.entries)
            next[lane] = uint32_t(
                step.run(numbers, all.entries, old[lane], double(grad[lane]), at + lane, root));
      for (int lane = 0; lane < math::kCodeLanes; ++lane)
        words[lane] ^= uint64_t(old[lane] ^ next[lane]) << shift;
    }
    for (int lane = 0; lane < math::kCodeLanes; ++lane)
      math::write_lane(block, bytes, lane, words[lane]);
  }
}

void refine_codes(const RefineCodes& op, Stream& stream) {
  const Coded all = coded(op.codes, op.codebooks, op.row_books, op.grad.shape[1], op.bits);
  const CodeStep step = code_step(op);
  std::optional<Books> books;  // codes with the logits of all need none
  if (!step.has_all) books.emplace(all, CodeSteps::table_bits(all.row.bits), stream);
  for_rows(stream, all.rows, all.row.columns * step.count, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      if (all.book_of(i) >= 0) refine_row(op, all, step, books ? &books->of_row(i) : nullptr, i);
  });
}
ORTHOKIT_KERNEL(RefineCodes, refine_codes);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
