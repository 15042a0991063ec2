#include "ops/quantized/assign_codes.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "cpu/chunks.h"
#include "cpu/kernels/quantized/shared/book_lanes.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

inline constexpr int kFewPlaces = 16;  // that one register of lanes looks up

// The numbers of a codebook in their order: an x above so many borders has the code of that place.
template <int places>
struct Borders {
  alignas(64) float border[places];  // the greatest floats not above the middles; +∞ behind them
  alignas(64) float last[kFewPlaces];  // of many borders, the last of each 16
  alignas(64) float code[places];      // as bits
};

template <int places>
void find_borders(const float* book, int64_t entries, Borders<places>& out) {
  int order[places];
  int64_t count = 0;
  for (int64_t k = 0; k < entries; ++k)
    if (!std::isnan(book[k])) order[count++] = int(k);
  std::sort(order, order + count,
            [&](int a, int b) { return book[a] != book[b] ? book[a] < book[b] : a < b; });
  const auto last =
      std::unique(order, order + count, [&](int a, int b) { return book[a] == book[b]; });
  count = last - order;
  std::fill_n(out.border, places, std::numeric_limits<float>::infinity());
  std::fill_n(out.code, places, 0.0f);
  for (int64_t k = 0; k < count; ++k) {
    out.code[k] = std::bit_cast<float>(uint32_t(order[k]));
    if (k + 1 == count) break;
    const double middle = (double(book[order[k]]) + double(book[order[k + 1]])) / 2;
    float border = float(middle);
    if (double(border) > middle) border = std::nextafter(border, -INFINITY);
    out.border[k] = border;
  }
  if constexpr (places > kFewPlaces)
    for (int k = 0; k < kFewPlaces; ++k)
      out.last[k] = out.border[places / kFewPlaces * (k + 1) - 1];
}

// place += half where x is above.
inline __attribute__((always_inline)) void add_above(const BookFloats& x, const BookFloats& border,
                                                     uint32_t half, BookWords& place) {
  constexpr int kParts = int(sizeof x) / kVectorBytes;
  Vector<float> values[kParts], borders[kParts];
  Vector<uint32_t> places[kParts];
  std::memcpy(values, &x, sizeof x), std::memcpy(borders, &border, sizeof border);
  std::memcpy(places, &place, sizeof place);
  for (int k = 0; k < kParts; ++k) places[k] += Vector<uint32_t>(values[k] > borders[k]) & half;
  std::memcpy(&place, places, sizeof place);
}

// The place of each x in the codebook's order, by halves; of many borders, first those of a 16th.
template <int places>
__attribute__((always_inline)) inline void find_places(const BookFloats& x,
                                                       const Borders<places>& borders,
                                                       BookWords& out) {
  BookFloats border;
  out = BookWords{};
  for (uint32_t half = kFewPlaces / 2; half > 0; half /= 2) {
    look_up<4>(places == kFewPlaces ? borders.border : borders.last, out + (half - 1), border);
    add_above(x, border, half, out);
  }
  if constexpr (places > kFewPlaces) {
    out *= uint32_t(places / kFewPlaces);
    for (uint32_t half = places / kFewPlaces / 2; half > 0; half /= 2) {
      look_up<8>(borders.border, out + (half - 1), border);
      add_above(x, border, half, out);
    }
  }
}

template <int places>
void assign_row(const float* x, const math::PackedRow& row, const Borders<places>& borders,
                uint8_t* codes) {
  for (int64_t from = 0, block = 0; from < row.columns; from += math::kBlockCodes, ++block) {
    BlockLanes lanes{};
    const auto n = int(std::min<int64_t>(math::kBlockCodes, row.columns - from));
    for (int k = 0; k < n; k += math::kCodeLanes) {
      const int width = std::min(math::kCodeLanes, n - k);
      BookFloats values{}, found;
      std::memcpy(&values, x + from + k, size_t(width) * sizeof(float));
      BookWords place, code;
      find_places(values, borders, place);
      look_up<places == kFewPlaces ? 4 : 8>(borders.code, place, found);
      std::memcpy(&code, &found, sizeof code);
      for (int lane = width; lane < math::kCodeLanes; ++lane) code[lane] = 0;
      const int shift = k / math::kCodeLanes * row.bits;
      if (shift >= 32) {
        lanes.high |= code << (shift - 32);
      } else {
        lanes.low |= code << shift;
        if (shift + row.bits > 32) lanes.high |= code >> (32 - shift);
      }
    }
    store_block(lanes, row.bytes_of_lane(block), codes + block * row.block_bytes());
  }
}

template <int places>
void assign_all(const AssignCodes& op, const Coded& all, Stream& stream) {
  auto* borders = stream.scratch<Borders<places>>(all.books);
  for_rows(stream, all.books, 16 * places, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      find_borders(all.codebooks + i * all.entries, all.entries, borders[i]);
  });
  for_rows(stream, all.rows, all.row.columns, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      uint8_t* codes = op.codes.as<uint8_t>() + i * all.row.bytes();
      if (const int64_t book = all.book_of(i); book >= 0)
        assign_row(op.x.as<float>() + i * all.row.columns, all.row, borders[book], codes);
      else
        std::fill_n(codes, all.row.bytes(), uint8_t(0));
    }
  });
}

}  // namespace

void assign_codes(const AssignCodes& op, Stream& stream) {
  const Coded all = coded(op.codes, op.codebooks, op.row_books, op.x.shape[1], op.bits);
  if (all.entries <= kFewPlaces)
    assign_all<kFewPlaces>(op, all, stream);
  else
    assign_all<int(kMostCodes)>(op, all, stream);
}
ORTHOKIT_KERNEL(AssignCodes, assign_codes);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
