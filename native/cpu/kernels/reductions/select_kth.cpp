#include "ops/reductions/select_kth.h"

#include <algorithm>

#include "cpu/kernels/reductions/shared/digits.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kFewSizes = kDigits;  // that are selected from a copy

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

// Of few elements: a copy of their sizes, partly sorted.
template <class T>
static double select_few(const SelectKth& op, const Selection<T>& s, math::SizeKey<T>* keys) {
  int64_t count = 0;
  for (int64_t t = s.first_tensor; t < s.last_tensor; ++t)
    for_blocks<T>(op.x[t], 0, op.x[t].size(), [&](int64_t, int64_t n, const T* values) {
      for (int64_t i = 0; i < n; ++i) keys[count++] = math::key_of_size(values[i]);
    });
  auto* kth = keys + int64_t(s.rank) - 1;
  std::nth_element(keys, kth, keys + count, std::greater<>());
  return double(math::size_of_key<T>(*kth));
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
      const SelectPart& part = list[p];
      count_digits<T>(op.x[part.tensor], part.begin, part.size, selections[of_part[p]].found, shift,
                      math::SizeOrder(), counts + p * kDigits);
    });
    stream.parallel(count * kDigitShares, [&](int64_t task) {
      const Selection<T>& s = selections[task / kDigitShares];
      if (s.parts > 0)
        sum_digits(counts + s.first_part * kDigits, s.parts, task % kDigitShares,
                   totals + place[task / kDigitShares] * kDigits);
    });
    stream.parallel(count, [&](int64_t i) {
      Selection<T>& s = selections[i];
      if (s.parts > 0) settle(s.rank, s.found, totals + place[i] * kDigits, shift);
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
