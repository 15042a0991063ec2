// Matrix instructions: each warp multiplies small tiles that its lanes hold between them.
#include <cstring>

#include "ptx/build.h"
#include "ptx/machine.h"
#include "ptx/memory.h"

namespace cudaemu::ptx {
namespace {

constexpr int kRows = 16, kColumns = 8;

double half_of(Type type, uint64_t word, int half) {
  const auto bits = uint16_t(word >> (16 * half));
  return type == Type::kBf16 ? bf16_value(bits) : f16_value(bits);
}

// d (16x8) = a (16xkDepth) * b (kDepthx8) + c. With g = lane / 4 and t = lane % 4 (PTX ISA,
// mma.m16n8k16 and m16n8k8) a lane holds rows g and g + 8 of a, column g of b, and of c and d
// columns 2t and 2t + 1 of rows g and g + 8.
template <int kDepth>
void multiply(Warp& w, const Instruction& i, Lanes) {
  double a[kRows][kDepth], b[kDepth][kColumns], c[kRows][kColumns];
  const bool f32 = i.type == Type::kF32;
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4, t = 2 * (lane % 4);
    const auto word = [&](const Operand& o, int at) { return w.at(o.list[size_t(at)])[lane]; };
    for (int half = 0; half < 2; ++half) {
      for (int j = 0; j < kDepth / 4; ++j)
        a[g + j % 2 * 8][t + half + j / 2 * 8] = half_of(i.from, word(i.a, j), half);
      for (int j = 0; j < kDepth / 8; ++j)
        b[t + half + 8 * j][g] = half_of(i.from, word(i.b, j), half);
      for (int j = 0; j < 2; ++j)
        c[g + 8 * j][t + half] = f32 ? double(value_of<float>(word(i.c, 2 * j + half)))
                                     : half_of(i.type, word(i.c, j), half);
    }
  }
  for (int row = 0; row < kRows; ++row)
    for (int column = 0; column < kColumns; ++column)
      for (int k = 0; k < kDepth; ++k) c[row][column] += a[row][k] * b[k][column];
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4, t = 2 * (lane % 4);
    for (int j = 0; j < 2; ++j) {
      const double* pair = &c[g + 8 * j][t];
      if (f32) {
        for (int half = 0; half < 2; ++half)
          w.at(i.d.list[size_t(2 * j + half)])[lane] = bits_of(float(pair[half]));
      } else {
        w.at(i.d.list[size_t(j)])[lane] = uint64_t(f16_bits(pair[1])) << 16 | f16_bits(pair[0]);
      }
    }
  }
}

void build_multiply(Words& words, Instruction& i) {
  words.drop({"sync", "aligned"});
  const bool deep = words.take("m16n8k16");
  if (!deep && !words.take("m16n8k8")) unsupported("this shape");
  words.drop({"row", "col"});
  i.type = words.take_type();
  i.from = words.take_type();
  const Type of_b = words.take_type(), of_c = words.take_type();
  const bool halves = i.from == Type::kBf16 || i.from == Type::kF16;
  const bool sums = i.type == Type::kF32 || (i.type == Type::kF16 && i.from == Type::kF16);
  if (!halves || !sums || of_b != i.from || of_c != i.type) unsupported("these types");
  i.control = Control::kWarp;
  i.cost.matrix = uint16_t(2 * kRows * kColumns * (deep ? 16 : 8));
  i.run = deep ? multiply<16> : multiply<8>;
}

// Tiles of 8x8 elements of 16 bits: lane 8j + r has the address of row r of tile j, and gets the
// elements 2 (lane % 4) and the next of row lane / 4, or of that column.
void load_tiles(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* base = w.at(i.a.reg);
  for (int tile = 0; tile < i.count; ++tile) {
    uint16_t elements[8][8];
    uint64_t addresses[32] = {};
    for (int row = 0; row < 8; ++row) {
      const int lane = 8 * tile + row;
      addresses[row] = base[lane] + uint64_t(i.a.offset);
      std::memcpy(
          elements[row],
          memory_at(w, i, Space::kShared, addresses[row] & ~kWindow, 16, lane, Access::kRead), 16);
    }
    if (w.machine.counters) w.machine.counters->access(Space::kShared, addresses, 0xff, 16, false);
    const int to = i.d.list.empty() ? i.d.reg : i.d.list[size_t(tile)];
    each(lanes, [&](int l) {
      const int row = l / 4, column = 2 * (l % 4);
      const uint32_t low = i.mode ? elements[column][row] : elements[row][column],
                     high = i.mode ? elements[column + 1][row] : elements[row][column + 1];
      w.at(to)[l] = high << 16 | low;
    });
  }
}
void build_load_tiles(Words& words, Instruction& i) {
  words.drop({"sync", "aligned", "m8n8", "shared", "shared::cta"});
  i.count = words.take("x4") ? 4 : words.take("x2") ? 2 : 1;
  words.take("x1");
  i.mode = words.take("trans");
  i.type = words.take_type();
  i.control = Control::kWarp;
  i.run = load_tiles;
}

constexpr Builder kBuilders[] = {{"mma", build_multiply}, {"ldmatrix", build_load_tiles}};

}  // namespace

std::span<const Builder> matrix_builders() { return kBuilders; }

}  // namespace cudaemu::ptx
