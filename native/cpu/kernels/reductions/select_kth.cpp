#include "ops/reductions/select_kth.h"

#include <algorithm>

#include "cpu/convert.h"
#include "math/sizes.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int kDigitBits = 16;  // of a size that one read settles
inline constexpr int64_t kDigits = int64_t(1) << kDigitBits;
inline constexpr int64_t kFewSizes = kDigits;          // that are selected from a copy
inline constexpr int64_t kCounted = int64_t(1) << 20;  // elements that share counts

// A tensor, or a part of it, of the numbers that one rank counts through.
struct SelectPart {
  int64_t tensor, begin, size;
};
template <class T>
struct Selection {
  int64_t first_tensor, last_tensor;  // one past it
  int64_t elements;
  double rank;  // among those that share the bits found
  math::SizeKey<T> found;
  int64_t first_part, parts;  // of those that are counted
};

template <class T, class Body>
static void for_sizes(const View& x, int64_t begin, int64_t size, Body&& body) {
  T buffer[kBlock];
  for (int64_t done = 0; done < size; done += kBlock) {
    const int64_t n = std::min(kBlock, size - done);
    const T* values = load(x, begin + done, n, buffer);
    for (int64_t i = 0; i < n; ++i) body(math::key_of_size(values[i]));
  }
}

// Of few elements: a copy of their sizes, partly sorted.
template <class T>
static double select_few(const SelectKth& op, const Selection<T>& s, math::SizeKey<T>* keys) {
  int64_t count = 0;
  for (int64_t t = s.first_tensor; t < s.last_tensor; ++t)
    for_sizes<T>(op.x[t], 0, op.x[t].size(), [&](auto key) { keys[count++] = key; });
  auto* kth = keys + int64_t(s.rank) - 1;
  std::nth_element(keys, kth, keys + count, std::greater<>());
  return double(math::size_of_key<T>(*kth));
}

// The counts of each next digit, of elements of a part that share the bits found.
template <class T>
static void count_digits(const View& x, const SelectPart& part, math::SizeKey<T> found, int shift,
                         uint32_t* counts) {
  std::fill_n(counts, kDigits, 0);
  constexpr int kBits = int(sizeof(T)) * 8;
  const bool is_first = shift + kDigitBits >= kBits;
  const int above = is_first ? 0 : shift + kDigitBits;
  for_sizes<T>(x, part.begin, part.size, [&](auto key) {
    const int64_t digit = int64_t(key >> shift) & (kDigits - 1);
    if (is_first)
      ++counts[digit];
    else
      counts[digit] += (key >> above) == (found >> above);
  });
}

// The digit in which the rank falls, from the largest on; the rank among those that have it.
template <class T>
static void settle(Selection<T>& s, const uint64_t* totals, int shift) {
  for (int64_t digit = kDigits - 1; digit >= 0; --digit) {
    const double here = double(totals[digit]);
    if (s.rank <= here) {
      s.found |= math::SizeKey<T>(digit) << shift;
      return;
    }
    s.rank -= here;
  }
}

template <class T>
static void select_all(const SelectKth& op, Stream& stream) {
  const bool whole = op.scope == SelectScope::kList;
  const int64_t count = whole ? 1 : op.x.count;
  auto* selections = stream.scratch<Selection<T>>(count);
  auto* few_at = stream.scratch<int64_t>(count + 1);
  int64_t parts = 0, few = 0;
  for (int64_t i = 0; i < count; ++i) {
    Selection<T>& s = selections[i];
    s = {whole ? 0 : i, whole ? op.x.count : i + 1, 0, op.ranks[i], 0, parts, 0};
    for (int64_t t = s.first_tensor; t < s.last_tensor; ++t) s.elements += op.x[t].size();
    few_at[i] = few;
    if (s.rank > double(s.elements)) continue;
    if (s.elements <= kFewSizes) {
      few += s.elements;
      continue;
    }
    for (int64_t t = s.first_tensor; t < s.last_tensor; ++t)
      s.parts += (op.x[t].size() + kCounted - 1) / kCounted;
    parts += s.parts;
  }
  auto* keys = stream.scratch<math::SizeKey<T>>(few + 1);
  double* out = op.out.as<double>();
  stream.parallel(count, [&](int64_t i) {
    const Selection<T>& s = selections[i];
    if (s.rank > double(s.elements))
      out[i] = 0;
    else if (s.parts == 0)
      out[i] = select_few(op, s, keys + few_at[i]);
  });
  if (parts == 0) return;

  auto* list = stream.scratch<SelectPart>(parts);
  auto* of_part = stream.scratch<int64_t>(parts);
  for (int64_t i = 0, next = 0; i < count; ++i) {
    if (selections[i].parts == 0) continue;
    for (int64_t t = selections[i].first_tensor; t < selections[i].last_tensor; ++t)
      for (int64_t at = 0; at < op.x[t].size(); at += kCounted, ++next)
        list[next] = {t, at, std::min(kCounted, op.x[t].size() - at)}, of_part[next] = i;
  }
  auto* place = stream.scratch<int64_t>(count);  // of the totals of a selection
  int64_t counted = 0;
  for (int64_t i = 0; i < count; ++i) place[i] = selections[i].parts > 0 ? counted++ : 0;
  auto* counts = stream.scratch<uint32_t>(parts * kDigits);
  auto* totals = stream.scratch<uint64_t>(counted * kDigits);
  for (int shift = int(sizeof(T)) * 8 - kDigitBits; shift >= 0; shift -= kDigitBits) {
    stream.parallel(parts, [&](int64_t p) {
      count_digits<T>(op.x[list[p].tensor], list[p], selections[of_part[p]].found, shift,
                      counts + p * kDigits);
    });
    // Digits are shared out: reading all parts of one costs more than those of its neighbours.
    constexpr int64_t kTogether = 4096;
    stream.parallel(count * (kDigits / kTogether), [&](int64_t task) {
      const int64_t i = task / (kDigits / kTogether),
                    first = task % (kDigits / kTogether) * kTogether;
      const Selection<T>& s = selections[i];
      if (s.parts == 0) return;
      uint64_t* sums = totals + place[i] * kDigits + first;
      std::fill_n(sums, kTogether, 0);
      for (int64_t p = s.first_part; p < s.first_part + s.parts; ++p)
        for (int64_t d = 0; d < kTogether; ++d) sums[d] += counts[p * kDigits + first + d];
    });
    stream.parallel(count, [&](int64_t i) {
      if (selections[i].parts > 0) settle(selections[i], totals + place[i] * kDigits, shift);
    });
  }
  for (int64_t i = 0; i < count; ++i)
    if (selections[i].parts > 0) out[i] = double(math::size_of_key<T>(selections[i].found));
}

void select_kth(const SelectKth& op, Stream& stream) {
  op.is_wide() ? select_all<double>(op, stream) : select_all<float>(op, stream);
}
ORTHOKIT_KERNEL(SelectKth, select_kth);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
