#include "ops/rows/row_top_k.h"

#include <algorithm>
#include <cmath>

#include "cpu/best.h"
#include "cpu/chunks.h"
#include "cpu/elementary.h"
#include "cpu/kernels/random/shared/philox.h"
#include "cpu/widened.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
static double score_of(T x) {
  return x != x ? HUGE_VAL : double(x);
}

template <class T>
static void take_all(const T* x, int64_t n, Best& best) {
  constexpr int64_t kFew = 64;  // that are refused together
  for (int64_t at = 0; at < n; at += kFew) {
    const int64_t end = std::min(n, at + kFew);
    if (best.is_full()) {
      const T least = T(best.least());
      int32_t larger = 0;
      for (int64_t j = at; j < end; ++j) larger += x[j] <= least ? 0 : 1;  // NaN is larger
      if (larger == 0) continue;
    }
    for (int64_t j = at; j < end; ++j) {
      const double score = score_of(x[j]);
      if (!best.refuses(score)) best.offer({score, j});
    }
  }
}

// −ln(−ln u) for n ≤ kBlock numbers from g on.
static void draw_noise(const RowTopK& op, uint64_t g, int64_t n, double* out) {
  uint32_t buffer[kBlock + 8 + 4 * kPhiloxBlocks];
  const uint64_t begin = g / 4, end = (g + uint64_t(n) + 3) / 4;
  for (uint64_t b = begin; b < end; b += kPhiloxBlocks)
    philox_blocks(uint64_t(op.seed), uint64_t(op.stream), b, buffer + 4 * (b - begin));
  const uint32_t* words = buffer + g % 4;
  for (int64_t i = 0; i < n; ++i) out[i] = -log_of(-log_of((double(words[i]) + 0.5) * 0x1p-32));
}

template <class T>
static void take_drawn(const RowTopK& op, uint64_t first, const T* x, int64_t n, Best& best) {
  double noise[kBlock];
  for (int64_t at = 0; at < n; at += kBlock) {
    const int64_t count = std::min(kBlock, n - at);
    draw_noise(op, first + uint64_t(at), count, noise);
    for (int64_t j = 0; j < count; ++j) {
      const double score = score_of(x[at + j]) / op.temperature + noise[j];
      if (!best.refuses(score)) best.offer({score, at + j});
    }
  }
}

template <class T>
static void row_top_k(const RowTopK& op, int64_t row, Scored* memory) {
  const int64_t columns = row_length(op.x), k = op.count(), candidates = op.candidates();
  const T* x = op.x.as<T>() + row * columns;
  const uint64_t first = uint64_t(op.offset) + uint64_t(row * columns);
  Best best(memory, k);
  if (!op.draws()) {
    take_all(x, columns, best);
  } else if (candidates == columns) {
    take_drawn(op, first, x, columns, best);
  } else {
    Best among(memory + k, candidates);
    take_all(x, columns, among);
    for (const Scored& one : among) {
      double noise;
      draw_noise(op, first + uint64_t(one.column), 1, &noise);
      best.offer({one.score / op.temperature + noise, one.column});
    }
  }
  best.sort();
  int64_t at = row * k;
  for (const Scored& one : best) {
    op.index.as<int32_t>()[at] = int32_t(one.column);
    if (op.values) op.values.as<T>()[at] = x[one.column];
    ++at;
  }
}

void row_top_k(const RowTopK& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  const bool is_limited = op.draws() && op.candidates() < columns;
  const int64_t each = op.count() + (is_limited ? op.candidates() : 0);
  auto* memory = stream.scratch<Scored>(rows * each);
  visit(op.x.dtype, [&]<class T>() {
    for_rows(stream, rows, columns, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) row_top_k<T>(op, row, memory + row * each);
    });
  });
}
ORTHOKIT_WIDE_KERNEL(RowTopK, row_top_k);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
