// Rows of codes of 1 to 8 bits, packed: docs/design/packed-codes.md has the layout in words and an
// example. constexpr, for any backend and for device code.
#pragma once
#include <cstdint>

namespace orthokit::math {

inline constexpr int kCodeLanes = 16, kLaneCodes = 8, kBlockCodes = kCodeLanes * kLaneCodes;

// The codes of a row, in blocks of 128, of which the last may be shorter.
struct PackedRow {
  int64_t columns;
  int bits;

  constexpr int64_t whole_blocks() const { return columns / kBlockCodes; }
  // Bytes of a lane of a whole block, and of the block behind those, 0 where there is none.
  constexpr int lane_bytes() const { return bits; }
  constexpr int last_lane_bytes() const {
    const int codes = (int(columns % kBlockCodes) + kCodeLanes - 1) / kCodeLanes;
    return (codes * bits + 7) / 8;
  }
  constexpr int64_t block_bytes() const { return int64_t(kCodeLanes) * bits; }
  constexpr int64_t bytes() const {
    return whole_blocks() * block_bytes() + int64_t(kCodeLanes) * last_lane_bytes();
  }
  constexpr int bytes_of_lane(int64_t block) const {
    return block < whole_blocks() ? lane_bytes() : last_lane_bytes();
  }
};

// Parts of a lane of so many bytes, the lowest first: of 4, then of 2, then of 1 byte.
constexpr int part_bytes(int left) { return left >= 4 ? 4 : left >= 2 ? 2 : 1; }

// A lane of a block as an integer: code h of it has the bits from h · bits on.
constexpr uint64_t read_lane(const uint8_t* block, int bytes, int lane) {
  uint64_t word = 0;
  for (int done = 0; done < bytes;) {
    const int size = part_bytes(bytes - done);
    for (int i = 0; i < size; ++i)
      word |= uint64_t(block[done * kCodeLanes + size * lane + i]) << (8 * (done + i));
    done += size;
  }
  return word;
}

constexpr void write_lane(uint8_t* block, int bytes, int lane, uint64_t word) {
  for (int done = 0; done < bytes;) {
    const int size = part_bytes(bytes - done);
    for (int i = 0; i < size; ++i)
      block[done * kCodeLanes + size * lane + i] = uint8_t(word >> (8 * (done + i)));
    done += size;
  }
}

// Element k of a row as an index, 0 … 2^bits − 1.
constexpr uint32_t read_code(const PackedRow& row, const uint8_t* codes, int64_t k) {
  const int64_t block = k / kBlockCodes;
  const int place = int(k % kBlockCodes);
  const uint64_t word =
      read_lane(codes + block * row.block_bytes(), row.bytes_of_lane(block), place % kCodeLanes);
  return uint32_t(word >> (place / kCodeLanes * row.bits)) & ((1u << row.bits) - 1);
}

// The same as a number of two's complement, −2^(bits − 1) … 2^(bits − 1) − 1.
constexpr int32_t signed_code(uint32_t code, int bits) {
  return int32_t(code << (32 - bits)) >> (32 - bits);
}

}  // namespace orthokit::math
