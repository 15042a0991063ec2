#include "ptx/counters.h"

#include <algorithm>
#include <bit>

#include "device_memory.h"

namespace cudaemu::ptx {

bool Counters::Sectors::insert(uint64_t sector) {
  const size_t page = sector / kPage, bit = sector % kPage;
  if (page >= pages_.size()) pages_.resize(page + 1);
  if (!pages_[page]) pages_[page] = std::make_unique<std::array<uint64_t, kPage / 64>>();
  uint64_t& word = (*pages_[page])[bit / 64];
  const uint64_t mask = uint64_t(1) << bit % 64;
  const bool fresh = !(word & mask);
  word |= mask;
  return fresh;
}

void Counters::instruction(const Instruction& i, Lanes lanes, bool together) {
  const auto n = unsigned(std::popcount(lanes));
  ++warp_instructions_;
  lane_instructions_ += n;
  divergent_ += !together;
  f32_ += i.cost.f32 * n;
  f64_ += i.cost.f64 * n;
  special_ += i.cost.special * n;
  if (lanes) {
    matrix_ += i.cost.matrix;
    shuffles_ += i.cost.shuffles;
  }
}

void Counters::access(Space space, const uint64_t* addresses, Lanes lanes, size_t bytes,
                      bool write) {
  if (!lanes) return;
  if (space == Space::kGeneric) space = space_of(addresses[std::countr_zero(lanes)]);
  if (space == Space::kGlobal)
    global_access(addresses, lanes, bytes, write);
  else if (space == Space::kShared)
    shared_access(addresses, lanes, bytes);
  else if (space == Space::kLocal)
    local_ += unsigned(std::popcount(lanes)) * bytes;
}

void Counters::global_access(const uint64_t* addresses, Lanes lanes, size_t bytes, bool write) {
  struct Part {
    uint64_t sector;
    uint32_t bytes;  // a bit for each that is asked for
  };
  Part parts[32];
  size_t count = 0;
  const auto start = reinterpret_cast<uint64_t>(device_memory());
  for (; lanes; lanes &= lanes - 1) {
    const uint64_t at = addresses[std::countr_zero(lanes)] - start;
    if (at >= device_memory_bytes()) continue;
    const uint64_t sector = at / kSector;
    // From the last on: neighbours lie in one.
    size_t found = count;
    while (found > 0 && parts[found - 1].sector != sector) --found;
    if (found == 0) parts[found = count++] = {sector, 0}, ++found;
    const uint32_t mask = bytes >= kSector ? ~0u : (1u << bytes) - 1;
    parts[found - 1].bytes |= mask << at % kSector;
  }
  ++requests_;
  moved_ += kSector * count;
  for (size_t i = 0; i < count; ++i) {
    asked_ += unsigned(std::popcount(parts[i].bytes));
    if ((write ? written_ : read_).insert(parts[i].sector)) least_ += kSector;
  }
}

// A pass serves each of the 32 banks with one word; accesses of 8 and 16 bytes go in halves and
// quarters of the warp.
void Counters::shared_access(const uint64_t* addresses, Lanes lanes, size_t bytes) {
  constexpr size_t kBanks = 32;
  const unsigned group = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;
  for (unsigned first = 0; first < 32; first += group) {
    uint64_t words[kBanks][32];
    unsigned waiting[kBanks] = {}, passes = 0;
    for (unsigned lane = first; lane < first + group; ++lane) {
      if (!(lanes >> lane & 1)) continue;
      for (size_t part = 0; part < std::max<size_t>(1, bytes / 4); ++part) {
        const uint64_t word = (addresses[lane] & ~kWindow) / 4 + part;
        const size_t bank = word % kBanks;
        uint64_t* end = words[bank] + waiting[bank];
        if (std::find(words[bank], end, word) != end) continue;
        *end = word;
        passes = std::max(passes, ++waiting[bank]);
      }
    }
    shared_passes_ += passes;
    shared_least_ += passes > 0;
  }
}

std::vector<Counters::Field> Counters::fields() const {
  return {{"warpInstructions", warp_instructions_},
          {"laneInstructions", lane_instructions_},
          {"divergent", divergent_},
          {"f32", f32_},
          {"f64", f64_},
          {"matrix", matrix_},
          {"special", special_},
          {"shuffles", shuffles_},
          {"barriers", barriers_},
          {"atomics", atomics_},
          {"requests", requests_},
          {"asked", asked_},
          {"moved", moved_},
          {"least", least_},
          {"sharedPasses", shared_passes_},
          {"sharedLeast", shared_least_},
          {"local", local_}};
}

}  // namespace cudaemu::ptx
