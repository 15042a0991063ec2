#include "ops/quantized/assign_codes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/chunks.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The numbers of a codebook in their order: an x above so many borders has the code of that place.
struct Borders {
  float border[kMostCodes];  // the greatest floats that are not above the middles; +∞ behind them
  uint8_t code[kMostCodes];
  int64_t count;
};

static void find_borders(const float* book, int64_t entries, Borders& out) {
  int order[kMostCodes];
  int64_t count = 0;
  for (int64_t k = 0; k < entries; ++k)
    if (!std::isnan(book[k])) order[count++] = int(k);
  std::sort(order, order + count,
            [&](int a, int b) { return book[a] != book[b] ? book[a] < book[b] : a < b; });
  const auto last =
      std::unique(order, order + count, [&](int a, int b) { return book[a] == book[b]; });
  count = last - order;
  out.count = std::max<int64_t>(0, count - 1);
  std::fill_n(out.border, kMostCodes, std::numeric_limits<float>::infinity());
  std::fill_n(out.code, kMostCodes, uint8_t(0));
  for (int64_t k = 0; k < count; ++k) {
    out.code[k] = uint8_t(order[k]);
    if (k + 1 == count) break;
    const double middle = (double(book[order[k]]) + double(book[order[k + 1]])) / 2;
    float border = float(middle);
    if (double(border) > middle) border = std::nextafter(border, -INFINITY);
    out.border[k] = border;
  }
}

// Of a block, places in the codebook's order.
static void find_places(const float* x, int n, const Borders& borders, int32_t* places) {
  constexpr int64_t kFewBorders = 31;
  std::fill_n(places, math::kBlockCodes, 0);
  if (borders.count <= kFewBorders) {
    for (int64_t k = 0; k < borders.count; ++k) {
      const float border = borders.border[k];
      for (int j = 0; j < n; ++j) places[j] += int32_t(x[j] > border);
    }
    return;
  }
  for (int32_t half = kMostCodes / 2; half > 0; half /= 2)
    for (int j = 0; j < n; ++j) places[j] += x[j] > borders.border[places[j] + half - 1] ? half : 0;
}

static void assign_row(const float* x, const math::PackedRow& row, const Borders* borders,
                       uint8_t* codes) {
  if (!borders) return void(std::fill_n(codes, row.bytes(), uint8_t(0)));
  int32_t places[math::kBlockCodes];
  for (int64_t block = 0; block * math::kBlockCodes < row.columns; ++block) {
    const int64_t from = block * math::kBlockCodes;
    const int n = int(std::min<int64_t>(math::kBlockCodes, row.columns - from));
    find_places(x + from, n, *borders, places);
    uint64_t words[math::kCodeLanes] = {};
    for (int j = 0; j < n; ++j)
      words[j % math::kCodeLanes] |= uint64_t(borders->code[places[j]])
                                     << (j / math::kCodeLanes * row.bits);
    for (int lane = 0; lane < math::kCodeLanes; ++lane)
      math::write_lane(codes + block * row.block_bytes(), row.bytes_of_lane(block), lane,
                       words[lane]);
  }
}

void assign_codes(const AssignCodes& op, Stream& stream) {
  const Coded all = coded(op.codes, op.codebooks, op.row_books, op.x.shape[1], op.bits);
  auto* borders = stream.scratch<Borders>(all.books);
  for_rows(stream, all.books, 16 * kMostCodes, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      find_borders(all.codebooks + i * all.entries, all.entries, borders[i]);
  });
  for_rows(stream, all.rows, all.row.columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t book = all.book_of(i);
      assign_row(op.x.as<float>() + i * all.row.columns, all.row,
                 book < 0 ? nullptr : borders + book, op.codes.as<uint8_t>() + i * all.row.bytes());
    }
  });
}
ORTHOKIT_KERNEL(AssignCodes, assign_codes);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
