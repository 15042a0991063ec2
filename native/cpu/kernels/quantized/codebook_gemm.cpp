#include "ops/quantized/codebook_gemm.h"

#include <algorithm>

#include "cpu/chunks.h"
#include "cpu/kernels/quantized/shared/book_lanes.h"
#include "cpu/kernels/quantized/shared/lanes.h"
#include "cpu/product.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

#if defined(__AVX512F__)
inline constexpr int kBooksTogether = 4;  // that share a register of x
#else
inline constexpr int kBooksTogether = 2;
#endif
inline constexpr int64_t kReadAgain = 4;  // of x, for which a row of codes is read each time
// A tile of numbers, 64 KB, stays in the cache that is next to a core.
inline constexpr int64_t kTileRows = 64, kTileColumns = 256;
static_assert(kTileColumns % math::kBlockCodes == 0);

double total_of_lanes(const BookFloats& a, const BookFloats& b) {
  double sum = 0;
  for (int lane = 0; lane < math::kCodeLanes; ++lane) sum += double(a[lane]) + double(b[lane]);
  return sum;
}

// Sums of `count` rows of codes with one row of x.
template <int bits, int count>
void row_products(const Coded& all, const Books& books, int64_t first, const float* x,
                  double* sums) {
  constexpr int kBlock = math::kBlockCodes;
  const math::PackedRow& row = all.row;
  const uint8_t* codes[count];
  const Book* book[count];
  BookFloats even[count], odd[count];
  for (int r = 0; r < count; ++r) {
    codes[r] = all.codes_of(first + r), book[r] = &books.of_row(first + r);
    even[r] = odd[r] = BookFloats{};
  }
  const int64_t blocks = row.whole_blocks();
  for (int64_t b = 0; b < blocks; ++b) {
    const float* values = x + b * kBlock;
    for (int r = 0; r < count; ++r) {
      const uint8_t* block = codes[r] + b * row.block_bytes();
      fetch_block<bits>(block + count * row.bytes());
      BlockLanes lanes;
      load_block<bits>(block, lanes);
      for_numbers<bits>(lanes, *book[r], [&](int h, const BookFloats& numbers) {
        BookFloats value;
        std::memcpy(&value, values + math::kCodeLanes * h, sizeof value);
        BookFloats& sum = h % 2 == 0 ? even[r] : odd[r];
#if defined(__AVX512F__)
        sum = BookFloats(_mm512_fmadd_ps(__m512(numbers), __m512(value), __m512(sum)));
#else
        sum += numbers * value;
#endif
      });
    }
  }
  for (int r = 0; r < count; ++r) {
    sums[r] = total_of_lanes(even[r], odd[r]);
    for (int64_t k = blocks * kBlock; k < row.columns; ++k)
      sums[r] += double(book[r]->numbers[math::read_code(row, codes[r], k)]) * double(x[k]);
  }
}

// out's element before the product is added.
double begun(const CodebookGemm& op, int64_t b, int64_t o) {
  const double old =
      op.beta == 0 ? 0 : op.beta * double(op.out.as<float>()[b * op.out.shape[1] + o]);
  return op.bias ? old + double(op.bias.as<float>()[o]) : old;
}

template <int bits>
void by_rows_of_codes(const CodebookGemm& op, const Coded& all, const Books& books,
                      Stream& stream) {
  const int64_t batch = op.x.shape[0], outputs = all.rows, n = all.row.columns;
  constexpr int64_t kAtOnce = 32;  // rows of codes of a part of the work
  stream.parallel((outputs + kAtOnce - 1) / kAtOnce, [&](int64_t part) {
    const int64_t end = std::min(outputs, (part + 1) * kAtOnce);
    for (int64_t b = 0; b < batch; ++b) {
      const float* x = op.x.as<float>() + b * n;
      float* out = op.out.as<float>() + b * outputs;
      int64_t i = part * kAtOnce;
      double sums[kBooksTogether];
      const auto finish = [&](int count) {
        for (int r = 0; r < count; ++r, ++i) out[i] = float(begun(op, b, i) + sums[r]);
      };
      while (i + kBooksTogether <= end)
        row_products<bits, kBooksTogether>(all, books, i, x, sums), finish(kBooksTogether);
      while (i < end) row_products<bits, 1>(all, books, i, x, sums), finish(1);
    }
  });
}

// Rows first … first + rows − 1 and columns from … from + columns − 1 of the matrix.
template <int bits>
void decode_tile(const Coded& all, const Books& books, int64_t first, int64_t rows, int64_t from,
                 int64_t columns, float* tile) {
  for (int64_t i = 0; i < rows; ++i)
    decode_part<bits>(all.row, all.codes_of(first + i), books.of_row(first + i), from,
                      from + columns, tile + i * columns);
}

// Each tile is decoded once and multiplied by all rows of x.
template <int bits>
void by_tiles(const CodebookGemm& op, const Coded& all, const Books& books, Stream& stream) {
  const int64_t batch = op.x.shape[0], inner = op.x.shape[1], outputs = op.out.shape[1];
  const bool turned = op.is_transposed();
  const int64_t width = turned ? kTileColumns : kTileRows,
                depth = turned ? kTileRows : kTileColumns;
  stream.parallel((outputs + width - 1) / width, [&](int64_t part) {
    alignas(64) float tile[kTileRows * kTileColumns];
    const int64_t o = part * width, size = std::min(width, outputs - o);
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t j = o; j < o + size; ++j)
        op.out.as<float>()[b * outputs + j] = float(begun(op, b, j));
    for (int64_t k = 0; k < inner; k += depth) {
      const int64_t deep = std::min(depth, inner - k);
      if (turned)
        decode_tile<bits>(all, books, k, deep, o, size, tile);
      else
        decode_tile<bits>(all, books, o, size, k, deep, tile);
      product<float>(false, !turned, batch, size, deep, 1, op.x.as<float>() + k, inner, tile,
                     turned ? size : deep, 1, op.out.as<float>() + o, outputs);
    }
  });
}

}  // namespace

void codebook_gemm(const CodebookGemm& op, Stream& stream) {
  const Coded all = coded(op.codes, op.codebooks, op.row_books, op.columns(), op.bits);
  const Books books(all, stream);
  visit_book_bits(all.row.bits, [&]<int bits>() {
    if (!op.is_transposed() && op.x.shape[0] < kReadAgain)
      by_rows_of_codes<bits>(op, all, books, stream);
    else
      by_tiles<bits>(op, all, books, stream);
  });
}
ORTHOKIT_KERNEL(CodebookGemm, codebook_gemm);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
