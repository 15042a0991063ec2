#include "ops/reductions/top_k.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>

#include "cpu/chunks.h"
#include "cpu/kernels/reductions/shared/digits.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kSortedWhole = kDigits;              // elements of which none are dropped
inline constexpr int64_t kSortedTogether = int64_t(1) << 16;  // elements that share counts
inline constexpr int64_t kSampled = int64_t(1) << 14;         // elements that tell where to look
inline constexpr int kSortBits = 11;                          // of a key that one pass orders by
inline constexpr int64_t kSortDigits = int64_t(1) << kSortBits;

// An element that is taken. Its key is turned round, so that the largest one comes first.
template <class T>
struct Taken {
  math::SizeKey<T> key;
  int32_t place;
};

// Keys of items lie between these.
template <class Key>
struct Span {
  Key least, most;
};

// In the order of their keys, and of their places among equal ones, by two rooms that take turns.
template <class T>
static const Taken<T>* sort_taken(Stream& stream, Taken<T>* items, Taken<T>* room, int64_t count,
                                  const Span<math::SizeKey<T>>& span) {
  const int64_t parts = (count + kSortedTogether - 1) / kSortedTogether;
  auto* next = stream.scratch<uint32_t>(parts * kSortDigits);  // place of a part's next of a digit
  // Passes as few as order all bits that differ, of as few bits each: then a pass writes to fewer
  // places.
  const int bits = int(std::bit_width(math::SizeKey<T>(span.most - span.least)));
  const int passes = (bits + kSortBits - 1) / kSortBits;
  const int width = passes == 0 ? 0 : (bits + passes - 1) / passes;
  const int64_t digits = int64_t(1) << width;
  for (int shift = 0; shift < bits; shift += width) {
    const auto for_part = [&](int64_t part, auto&& body) {
      uint32_t* own = next + part * kSortDigits;
      const int64_t end = std::min(count, (part + 1) * kSortedTogether);
      for (int64_t i = part * kSortedTogether; i < end; ++i) {
        const auto key = math::SizeKey<T>(items[i].key - span.least);
        body(items[i], own[int64_t(key >> shift) & (digits - 1)]);
      }
    };
    stream.parallel(parts, [&](int64_t part) {
      std::fill_n(next + part * kSortDigits, digits, 0);
      for_part(part, [](const Taken<T>&, uint32_t& of_digit) { ++of_digit; });
    });
    uint32_t before = 0;
    for (int64_t digit = 0; digit < digits; ++digit)
      for (int64_t part = 0; part < parts; ++part) {
        uint32_t& of_digit = next[part * kSortDigits + digit];
        const uint32_t here = of_digit;
        of_digit = before;
        before += here;
      }
    stream.parallel(parts, [&](int64_t part) {
      for_part(part, [&](const Taken<T>& item, uint32_t& of_digit) { room[of_digit++] = item; });
    });
    std::swap(items, room);
  }
  return items;
}

// Writes the places and elements of the result from its `at`-th one on.
template <class T>
static void write_taken(const TopK& op, Stream& stream, const Taken<T>* items, int64_t at,
                        int64_t count) {
  for_rows(stream, count, 1, [&](int64_t begin, int64_t end) {
    visit_storage(op.x.dtype, [&]<class S>() {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t place = items[i].place;
        op.index.as<int32_t>()[at + i] = int32_t(place);
        if (op.values) op.values.as<S>()[at + i] = op.x.as<S>()[place];
      }
    });
  });
}

// Numbers of elements of a part, above the k-th key and of it.
struct Above {
  int64_t above, equal;
};

template <class T, class Order>
static void take_all(const TopK& op, Stream& stream, Order order) {
  using Key = math::SizeKey<T>;
  const int64_t size = op.x.size();
  auto* items = stream.scratch<Taken<T>>(size);
  for_rows(stream, size, 1, [&](int64_t begin, int64_t end) {
    for_blocks<T>(op.x, begin, end - begin, [&](int64_t at, int64_t n, const T* values) {
      for (int64_t i = 0; i < n; ++i) items[at + i] = {Key(~order(values[i])), int32_t(at + i)};
    });
  });
  const auto* sorted = sort_taken(stream, items, stream.scratch<Taken<T>>(size), size,
                                  Span<Key>{0, std::numeric_limits<Key>::max()});
  write_taken(op, stream, sorted, 0, op.count());
}

template <class T, class Order>
static void take_above(const TopK& op, Stream& stream, Order order) {
  using Key = math::SizeKey<T>;
  const int64_t size = op.x.size(), parts = (size + kCounted - 1) / kCounted;
  const auto size_of = [&](int64_t part) { return std::min(kCounted, size - part * kCounted); };
  auto* counts = stream.scratch<uint32_t>(parts * kDigits);
  auto* totals = stream.scratch<uint64_t>(kDigits);
  auto* of_part = stream.scratch<Above>(parts);
  std::fill_n(of_part, parts, Above{0, 0});
  double rank = double(op.count());
  Key found = 0;
  for (int shift = int(sizeof(T)) * 8 - kDigitBits; shift >= 0; shift -= kDigitBits) {
    stream.parallel(parts, [&](int64_t p) {
      count_digits<T>(op.x, p * kCounted, size_of(p), found, shift, order, counts + p * kDigits);
    });
    stream.parallel(kDigitShares, [&](int64_t share) { sum_digits(counts, parts, share, totals); });
    settle(rank, found, totals, shift);
    const int64_t digit = int64_t(found >> shift) & (kDigits - 1);
    stream.parallel(parts, [&](int64_t p) {
      for (int64_t d = digit + 1; d < kDigits; ++d) of_part[p].above += counts[p * kDigits + d];
      of_part[p].equal = counts[p * kDigits + digit];
    });
  }

  // The first ones of the k-th key are as many as the rank among them says.
  const int64_t equal = int64_t(rank), above = op.count() - equal;
  Above before{0, 0};
  for (int64_t p = 0; p < parts; ++p) {
    const Above here = of_part[p];
    of_part[p] = before;
    before = {before.above + here.above, before.equal + here.equal};
  }
  auto* items = stream.scratch<Taken<T>>(above + equal);
  stream.parallel(parts, [&](int64_t p) {
    Taken<T>* next = items + of_part[p].above;
    int64_t next_equal = of_part[p].equal;
    for_blocks<T>(op.x, p * kCounted, size_of(p), [&](int64_t at, int64_t n, const T* values) {
      int64_t here = 0;
      for (int64_t i = 0; i < n; ++i) here += order(values[i]) >= found;
      for (int64_t i = 0; here > 0; ++i) {
        const Key key = order(values[i]);
        if (key < found) continue;
        --here;
        const Taken<T> item{Key(~key), int32_t(at + i)};
        if (key > found)
          *next++ = item;
        else if (next_equal < equal)
          items[above + next_equal++] = item;
      }
    });
  });
  const auto* sorted =
      sort_taken(stream, items, stream.scratch<Taken<T>>(above), above, Span<Key>{0, Key(~found)});
  write_taken(op, stream, sorted, 0, above);
  write_taken(op, stream, items + above, above, equal);
}

// A key that a few more elements than are asked for should reach: of a sample at even, odd
// distances, so that it meets every column. 0 where all would.
template <class T, class Order>
static math::SizeKey<T> likely_bound(const TopK& op, Stream& stream, Order order) {
  const int64_t size = op.x.size(), step = (size / kSampled - 1) | 1;
  const double rank = double(op.count()) * double(kSampled) / double(size);
  const auto taken = int64_t(rank + 4 * std::sqrt(rank) + 8);
  if (taken >= kSampled) return 0;
  auto* keys = stream.scratch<math::SizeKey<T>>(kSampled);
  for (int64_t i = 0; i < kSampled; ++i) {
    T buffer[1];
    keys[i] = order(*load(op.x, i * step, 1, buffer));
  }
  std::nth_element(keys, keys + taken, keys + kSampled, std::greater<>());
  return keys[taken];
}

// Sorts the elements from a likely bound on, where they turn out to be enough and not many more:
// then two reads of x are all, and false else.
template <class T, class Order>
static bool take_likely(const TopK& op, Stream& stream, Order order) {
  using Key = math::SizeKey<T>;
  const Key bound = likely_bound<T>(op, stream, order);
  if (bound == 0) return false;
  const int64_t size = op.x.size(), parts = (size + kCounted - 1) / kCounted;
  const auto size_of = [&](int64_t part) { return std::min(kCounted, size - part * kCounted); };
  auto* counts = stream.scratch<int64_t>(parts);
  auto* least = stream.scratch<Key>(parts);
  stream.parallel(parts, [&](int64_t p) {
    counts[p] = 0, least[p] = Key(~bound);
    for_blocks<T>(op.x, p * kCounted, size_of(p), [&](int64_t, int64_t n, const T* values) {
      Key here = 0;
      for (int64_t i = 0; i < n; ++i) here += order(values[i]) >= bound;
      counts[p] += int64_t(here);
    });
  });
  int64_t total = 0;
  for (int64_t p = 0; p < parts; ++p) {
    const int64_t here = counts[p];
    counts[p] = total, total += here;
  }
  if (total < op.count() || total > 2 * op.count() + kSortedTogether) return false;
  auto* items = stream.scratch<Taken<T>>(total);
  stream.parallel(parts, [&](int64_t p) {
    Taken<T>* next = items + counts[p];
    for_blocks<T>(op.x, p * kCounted, size_of(p), [&](int64_t at, int64_t n, const T* values) {
      uint8_t reached[kBlock] = {};  // 1 or 0, looked at by eights, of which the first is lowest
      static_assert(std::endian::native == std::endian::little);
      for (int64_t i = 0; i < n; ++i) reached[i] = order(values[i]) >= bound;
      for (int64_t i = 0; i < n; i += 8) {
        uint64_t eight;
        std::memcpy(&eight, reached + i, sizeof eight);
        for (; eight != 0; eight &= eight - 1) {
          const int64_t j = i + std::countr_zero(eight) / 8;
          const auto key = Key(~order(values[j]));
          least[p] = std::min(least[p], key);
          *next++ = {key, int32_t(at + j)};
        }
      }
    });
  });
  const Key first = *std::min_element(least, least + parts);
  const auto* sorted = sort_taken(stream, items, stream.scratch<Taken<T>>(total), total,
                                  Span<Key>{first, Key(~bound)});
  write_taken(op, stream, sorted, 0, op.count());
  return true;
}

template <class T, class Order>
static void take(const TopK& op, Stream& stream, Order order) {
  if (op.x.size() <= kSortedWhole) return take_all<T>(op, stream, order);
  if (!take_likely<T>(op, stream, order)) take_above<T>(op, stream, order);
}

template <class T>
static void top_k_of(const TopK& op, Stream& stream) {
  if (op.count() == 0) return;
  op.order == TopOrder::kSize ? take<T>(op, stream, math::TiedSizeOrder())
                              : take<T>(op, stream, math::ValueOrder());
}

void top_k(const TopK& op, Stream& stream) {
  op.x.dtype == Dtype::kF64 ? top_k_of<double>(op, stream) : top_k_of<float>(op, stream);
}
ORTHOKIT_KERNEL(TopK, top_k);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
