#include "ops/reductions/top_k.h"

#include "cpu/chunks.h"
#include "cpu/kernels/reductions/shared/digits.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kSortedWhole = kDigits;              // elements of which none are dropped
inline constexpr int64_t kSortedTogether = int64_t(1) << 16;  // elements that share counts
inline constexpr int kSortBits = 11;                          // of a key that one pass orders by
inline constexpr int64_t kSortDigits = int64_t(1) << kSortBits;

// An element that is taken. Its key is turned round, so that the largest one comes first.
template <class T>
struct Taken {
  math::SizeKey<T> key;
  int32_t place;
};

// In the order of their keys, and of their places among equal ones, by two rooms that take turns.
template <class T>
static const Taken<T>* sort_taken(Stream& stream, Taken<T>* items, Taken<T>* room, int64_t count) {
  const int64_t parts = (count + kSortedTogether - 1) / kSortedTogether;
  auto* next = stream.scratch<uint32_t>(parts * kSortDigits);  // place of a part's next of a digit
  constexpr int kBits = int(sizeof(T)) * 8;
  for (int shift = 0; shift < kBits; shift += kSortBits) {
    const auto for_part = [&](int64_t part, auto&& body) {
      uint32_t* own = next + part * kSortDigits;
      const int64_t end = std::min(count, (part + 1) * kSortedTogether);
      for (int64_t i = part * kSortedTogether; i < end; ++i)
        body(items[i], own[int64_t(items[i].key >> shift) & (kSortDigits - 1)]);
    };
    stream.parallel(parts, [&](int64_t part) {
      std::fill_n(next + part * kSortDigits, kSortDigits, 0);
      for_part(part, [](const Taken<T>&, uint32_t& of_digit) { ++of_digit; });
    });
    uint32_t before = 0;
    for (int64_t digit = 0; digit < kSortDigits; ++digit)
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
  write_taken(op, stream, sort_taken(stream, items, stream.scratch<Taken<T>>(size), size), 0,
              op.count());
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
  const auto* sorted = sort_taken(stream, items, stream.scratch<Taken<T>>(above), above);
  write_taken(op, stream, sorted, 0, above);
  write_taken(op, stream, items + above, above, equal);
}

template <class T, class Order>
static void take(const TopK& op, Stream& stream, Order order) {
  op.x.size() <= kSortedWhole ? take_all<T>(op, stream, order) : take_above<T>(op, stream, order);
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
