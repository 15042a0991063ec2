#include "ops/optimizers/carry_rows.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "cpu/chunks.h"
#include "cpu/kernels/optimizers/shared/step.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The new indices of a matrix in place of the old ones, and where the row of each was, −1 for a new
// one; `order` is room for as many.
static void carry_indices(int32_t* indices, const int32_t* chosen, int64_t count, int32_t* order,
                          int32_t* sources) {
  auto* const before = sources;  // the old indices, until they are looked up
  std::copy_n(indices, count, before);
  std::iota(order, order + count, 0);
  std::sort(order, order + count, [&](int32_t a, int32_t b) {
    return before[a] < before[b] || (before[a] == before[b] && a < b);
  });
  std::copy_n(chosen, count, indices);
  std::sort(indices, indices + count);
  for (int64_t p = 0; p < count; ++p) {
    const int32_t* at = std::lower_bound(order, order + count, indices[p],
                                         [&](int32_t q, int32_t x) { return before[q] < x; });
    const bool is_there = at < order + count && before[*at] == indices[p];
    order[count + p] = is_there ? *at : -1;
  }
  std::copy_n(order + count, count, sources);
}

void carry_rows(const CarryRows& op, Stream& stream) {
  if (is_held(op.guard) || !op.is_due(*op.steps.as<int32_t>(), op.gap)) return;
  const int64_t batch = op.batch(), count = op.count();
  auto *sources = stream.scratch<int32_t>(batch * count),
       *order = stream.scratch<int32_t>(2 * batch * count);
  stream.parallel(batch, [&](int64_t b) {
    carry_indices(op.indices.as<int32_t>() + b * count, op.chosen.as<int32_t>() + b * count, count,
                  order + 2 * b * count, sources + b * count);
  });
  for (const View& state : op.states) {
    const size_t row = size_t(state.shape[2]) * bytes_of(state.dtype);
    auto *rows = state.as<std::byte>(),
         *before = stream.scratch<std::byte>(int64_t(bytes_in(state)));
    const auto each = [&](auto&& body) {
      for_rows(stream, batch * count, state.shape[2], [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) body(i, rows + size_t(i) * row);
      });
    };
    each([&](int64_t i, std::byte* to) { std::memcpy(before + size_t(i) * row, to, row); });
    each([&](int64_t i, std::byte* to) {
      const int64_t first = i / count * count;
      if (sources[i] < 0)
        std::memset(to, 0, row);
      else
        std::memcpy(to, before + size_t(first + sources[i]) * row, row);
    });
  }
}
ORTHOKIT_KERNEL(CarryRows, carry_rows);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
