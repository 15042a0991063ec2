// The demands of a launch on a device: instructions, arithmetic, memory.
#pragma once
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "ptx/program.h"

namespace cudaemu::ptx {

constexpr size_t kSector = 32;  // bytes: the unit of a transfer between memory and the caches

class Counters {
 public:
  // Of an instruction of a warp; `together`: no other lanes of it are elsewhere.
  void instruction(const Instruction&, Lanes, bool together);
  // The lanes' addresses; in global memory, of a device's memory alone.
  void access(Space, const uint64_t* addresses, Lanes, size_t bytes, bool write);
  void barrier(size_t warps) { barriers_ += warps; }
  void atomic() { ++atomics_; }
  using Field = std::pair<const char*, uint64_t>;
  std::vector<Field> fields() const;

 private:
  void global_access(const uint64_t* addresses, Lanes, size_t bytes, bool write);
  void shared_access(const uint64_t* addresses, Lanes, size_t bytes);

  class Sectors {  // a set of them
   public:
    bool insert(uint64_t sector);  // was it new?

   private:
    static constexpr size_t kPage = size_t(1) << 16;
    std::vector<std::unique_ptr<std::array<uint64_t, kPage / 64>>> pages_;
  };
  Sectors read_, written_;

  uint64_t warp_instructions_ = 0, lane_instructions_ = 0, divergent_ = 0;
  uint64_t f32_ = 0, f64_ = 0, matrix_ = 0, special_ = 0, shuffles_ = 0, barriers_ = 0,
           atomics_ = 0;
  uint64_t requests_ = 0, asked_ = 0, moved_ = 0, least_ = 0;  // of global memory; bytes
  uint64_t shared_passes_ = 0, shared_least_ = 0, local_ = 0;
};

}  // namespace cudaemu::ptx
