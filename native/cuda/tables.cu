#include <algorithm>
#include <cstring>

#include "cuda/launch.cuh"
#include "cuda/tables.h"

namespace orthokit::cuda {

static constexpr size_t kAlign = 256;  // bytes
static constexpr int kShortTable = 512, kLongestParameter = 3968;

// A table as a kernel's parameter, which may take 4 KB with the others.
template <int bytes>
struct TableParameter {
  unsigned words[bytes / 4];
};

template <int bytes>
__global__ void __launch_bounds__(kAlign)
    write_table_kernel(const __grid_constant__ TableParameter<bytes> table, unsigned* to,
                       int words) {
  for (int i = int(threadIdx.x); i < words; i += int(blockDim.x)) to[i] = table.words[i];
}

template <int n>
static void write_by_parameter(Stream& stream, void* to, std::string_view bytes) {
  TableParameter<n> table{};
  std::memcpy(table.words, bytes.data(), bytes.size());
  launch_now(stream, write_table_kernel<n>, {1, kAlign}, table, static_cast<unsigned*>(to),
             int((bytes.size() + 3) / 4));
}

void Tables::write(void* to, std::string_view bytes) {
  if (bytes.size() <= kShortTable) return write_by_parameter<kShortTable>(stream_, to, bytes);
  if (bytes.size() <= kLongestParameter)
    return write_by_parameter<kLongestParameter>(stream_, to, bytes);
  staging_.upload(to, bytes.data(), bytes.size());
}

// A function is given no table that lies further back than half a ring, and writes no more than
// that. The launches of the function that runs are held, whatever is queued meanwhile.
void Tables::keep_for_held() {
  const Graphs& graphs = stream_.graphs();
  if (!graphs.in_function() || graphs.functions() != functions_) begin_ = head_;
  functions_ = graphs.functions();
  if (graphs.flushes() == flushes_) return;
  flushes_ = graphs.flushes();
  kept_from_ = begin_ - std::min(begin_, uint64_t(kRing) / 2);
}

// Forgets the tables that lie where the next one goes.
uint64_t Tables::make_room(size_t bytes) {
  uint64_t at = head_;
  if (at % kRing + bytes > kRing) at += kRing - at % kRing;
  const uint64_t end = at + (bytes + kAlign - 1) / kAlign * kAlign;
  if (end > kept_from_ + kRing) {
    stream_.graphs().flush();
    keep_for_held();
  }
  while (!written_.empty() && written_.front().at + kRing < end) {
    const Written oldest = written_.front();
    written_.pop_front();
    if (oldest.table->second == oldest.at) places_.erase(places_.find(oldest.table->first));
  }
  head_ = end;
  return at;
}

const void* Tables::find_large(std::string_view bytes) {
  const auto known = std::find_if(large_.begin(), large_.end(),
                                  [&](const Large& table) { return table.bytes == bytes; });
  if (known != large_.end()) {
    std::rotate(known, known + 1, large_.end());
    return large_.back().data;
  }
  if (large_.size() == kMostLarge) {
    stream_.graphs().flush();
    stream_.release(large_.front().data);
    large_.erase(large_.begin());
  }
  large_.reserve(kMostLarge);
  Large table{std::string(bytes), stream_.allocate(bytes.size())};
  try {
    write(table.data, bytes);
  } catch (...) {
    stream_.release(table.data);
    throw;
  }
  large_.push_back(std::move(table));
  return large_.back().data;
}

const void* Tables::find(std::string_view bytes) {
  if (bytes.empty()) return nullptr;
  if (bytes.size() > kMostInRing) return find_large(bytes);
  if (!ring_) ring_ = static_cast<std::byte*>(stream_.allocate(kRing));
  keep_for_held();
  const auto known = places_.find(bytes);
  // One that is soon written over would be by another table of the same kernel function: it is
  // written again.
  if (known != places_.end() && head_ - known->second <= kRing / 2)
    return ring_ + known->second % kRing;
  const uint64_t at = make_room(bytes.size());
  write(ring_ + at % kRing, bytes);
  const auto place = places_.insert_or_assign(std::string(bytes), at).first;
  written_.push_back({at, &*place});
  return ring_ + at % kRing;
}

void Tables::free() noexcept {
  for (auto& table : large_) stream_.release(table.data);
  if (ring_) stream_.release(ring_);
  large_.clear();
  ring_ = nullptr;
}

}  // namespace orthokit::cuda
