#include "ops/lowrank/combine_entries.h"

#include <algorithm>
#include <cmath>

#include "cpu/chunks.h"
#include "cpu/fused.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

inline constexpr int64_t kSumsOfRow = 512;  // that stay in L1 while the rows of x pass

template <class T>
void combine_row(const CombineEntries& op, int64_t i) {
  const int32_t *starts = op.starts.as<int32_t>(), *columns = op.columns.as<int32_t>();
  const int32_t* order = op.order.as<int32_t>();
  const T* values = op.values.as<T>();
  const int64_t rows = op.x.shape[0], width = op.x.shape[1], count = op.columns.shape[0];
  const auto [begin, end, exists] = entry_range(starts[i], starts[i + 1], count);
  T* out = op.out.as<T>() + i * width;
  if (!exists) {
    std::fill_n(out, width, T(NAN));
    return;
  }
  alignas(64) double sums[kSumsOfRow];
  for (int64_t at = 0; at < width; at += kSumsOfRow) {
    const int64_t size = std::min(kSumsOfRow, width - at);
    std::fill_n(sums, size, 0.0);
    for (int64_t e = begin; e < end; ++e) {
      const int64_t column = columns[e], place = order ? order[e] : e;
      if (column < 0 || column >= rows || place < 0 || place >= count) continue;
      const T* row = op.x.as<T>() + column * width + at;
      const auto factor = double(values[place]);
      for (int64_t j = 0; j < size; ++j) sums[j] = fused(factor, double(row[j]), sums[j]);
    }
    for (int64_t j = 0; j < size; ++j) out[at + j] = T(sums[j]);
  }
}

// A row times a vector: one sum in a register.
template <class T>
void combine_row_with_vector(const CombineEntries& op, int64_t i) {
  const int32_t *starts = op.starts.as<int32_t>(), *columns = op.columns.as<int32_t>();
  const int32_t* order = op.order.as<int32_t>();
  const T *values = op.values.as<T>(), *x = op.x.as<T>();
  // Places below 0 are beyond all others without a sign.
  const auto rows = uint64_t(op.x.shape[0]), count = uint64_t(op.columns.shape[0]);
  const auto [begin, end, exists] = entry_range(starts[i], starts[i + 1], int64_t(count));
  double sum = exists ? 0.0 : double(NAN);
  if (exists && !order) {
    for (int64_t e = begin; e < end; ++e) {
      const auto column = uint64_t(int64_t(columns[e]));
      if (column < rows) sum = fused(double(values[e]), double(x[column]), sum);
    }
  } else if (exists) {
    for (int64_t e = begin; e < end; ++e) {
      const auto column = uint64_t(int64_t(columns[e])), place = uint64_t(int64_t(order[e]));
      if (column < rows && place < count)
        sum = fused(double(values[place]), double(x[column]), sum);
    }
  }
  op.out.as<T>()[i] = T(sum);
}

}  // namespace

void combine_entries(const CombineEntries& op, Stream& stream) {
  const int64_t rows = op.out.shape[0];
  const int64_t each = op.columns.shape[0] / std::max<int64_t>(1, rows) + 1;
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, rows, each * op.x.shape[1], [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        op.x.shape[1] == 1 ? combine_row_with_vector<T>(op, i) : combine_row<T>(op, i);
    });
  });
}
ORTHOKIT_KERNEL(CombineEntries, combine_entries);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
