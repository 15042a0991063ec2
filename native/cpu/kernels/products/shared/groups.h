// Parts of a product that are too small for a thread each.
#pragma once
#include <algorithm>

#include "cpu/stream.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The least work of a chunk, so that taking it costs nothing beside it.
inline constexpr int64_t kLeastProducts = int64_t(1) << 19, kLeastCopies = int64_t(1) << 14;

inline int64_t parts_of(int64_t total, int64_t part) { return (total + part - 1) / part; }

// body(i) for i < count, at least `group` in a row on one thread.
template <class Body>
void in_groups(Stream& stream, int64_t count, int64_t group, const Body& body) {
  group = std::max<int64_t>(1, group);
  if (count <= group) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  stream.parallel(parts_of(count, group), [&](int64_t part) {
    for (int64_t i = part * group; i < std::min(count, (part + 1) * group); ++i) body(i);
  });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
