// Tables that kernels read beside their parameters: lists of tensors, sizes, offsets. A table with
// the bytes of an earlier one is on the device already; a short one that is new travels as a
// kernel's parameter, a longer one by staged upload. Nothing waits.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cuda/staging.h"

namespace orthokit::cuda {

class Stream;

class Tables {
 public:
  Tables(Stream& stream, Staging& staging) : stream_(stream), staging_(staging) {}
  Tables(const Tables&) = delete;
  void free() noexcept;

  // The same bytes on the device until the kernel function returns. Kernels only read them.
  const void* find(std::string_view bytes);

 private:
  // A ring: each table is written behind the last one, over the oldest.
  static constexpr size_t kRing = size_t(2) << 20;
  static constexpr size_t kMostInRing = kRing / 8;
  static constexpr size_t kMostLarge = 8;

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view bytes) const { return std::hash<std::string_view>{}(bytes); }
  };
  // The place of each table, by its bytes, in the sequence of all that was ever written to the
  // ring.
  using Places = std::unordered_map<std::string, uint64_t, Hash, std::equal_to<>>;
  struct Written {
    uint64_t at;
    Places::value_type* table;
  };
  struct Large {
    std::string bytes;
    void* data;
  };

  const void* find_large(std::string_view bytes);
  void keep_for_held();
  uint64_t make_room(size_t bytes);
  void write(void* to, std::string_view bytes);

  Stream& stream_;
  Staging& staging_;
  std::byte* ring_ = nullptr;
  uint64_t head_ = 0, begin_ = 0;  // now, and where the function began that runs
  uint64_t kept_from_ = 0;         // launches that are held back read nothing that lies before
  uint64_t flushes_ = 0, functions_ = 0;  // of graphs, as they were last seen
  Places places_;
  std::deque<Written> written_;  // oldest first
  std::vector<Large> large_;     // least recently used first
};

}  // namespace orthokit::cuda
