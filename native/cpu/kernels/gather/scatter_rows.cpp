#include "ops/gather/scatter_rows.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/streaming.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

namespace {
// Which rows of x go to each row of out, in their order: of place k, from[first[k]] …
// from[first[k + 1] − 1]. So the threads share out's rows, and no two write the same one. A place
// is a row, or, where few rows are touched, one of those.
struct Sources {
  int64_t places;
  const int64_t *first, *from;
  const int32_t* index;
  bool is_sparse;

  int64_t row(int64_t place) const { return is_sparse ? index[from[first[place]]] : place; }
};
}  // namespace

// All rows, counted.
static Sources all_rows(const ScatterRows& op, Stream& stream) {
  const int64_t rows = op.out.shape[0], count = op.index.size();
  const int32_t* index = op.index.as<int32_t>();
  auto* first = stream.scratch<int64_t>(rows + 2);
  auto* from = stream.scratch<int64_t>(count);
  const auto inside = [=](int64_t i) { return index[i] >= 0 && index[i] < rows; };
  std::fill_n(first, rows + 2, int64_t(0));
  for (int64_t i = 0; i < count; ++i)
    if (inside(i)) ++first[index[i] + 2];
  for (int64_t r = 2; r < rows + 2; ++r) first[r] += first[r - 1];
  // Each start moves to its row's end, which is the start of the next.
  for (int64_t i = 0; i < count; ++i)
    if (inside(i)) from[first[index[i] + 1]++] = i;
  return {rows, first, from, index, false};
}

// Rows that are touched, sorted: nothing is done for the others.
static Sources touched_rows(const ScatterRows& op, Stream& stream) {
  const int64_t rows = op.out.shape[0], count = op.index.size();
  const int32_t* index = op.index.as<int32_t>();
  auto* first = stream.scratch<int64_t>(count + 1);
  auto* from = stream.scratch<int64_t>(count);
  int64_t size = 0, places = 0;
  for (int64_t i = 0; i < count; ++i)
    if (index[i] >= 0 && index[i] < rows) from[size++] = i;
  std::sort(from, from + size, [=](int64_t a, int64_t b) {
    return index[a] != index[b] ? index[a] < index[b] : a < b;
  });
  for (int64_t i = 0; i < size; ++i)
    if (i == 0 || index[from[i]] != index[from[i - 1]]) first[places++] = i;
  first[places] = size;
  return {places, first, from, index, true};
}

// Sorting pays where so many times fewer rows are given than there are.
static constexpr int64_t kSparse = 32;

static Sources sources_of(const ScatterRows& op, Stream& stream) {
  const bool is_sparse = op.beta != 0 && op.index.size() < op.out.shape[0] / kSparse;
  return is_sparse ? touched_rows(op, stream) : all_rows(op, stream);
}

// A sum of two is rounded once whether it is taken in f64 or not, which has more than twice the
// digits of f32.
template <class T>
static void add_row(const T* x, int64_t size, T* out) {
  for (int64_t j = 0; j < size; ++j) {
    if constexpr (sizeof(T) >= sizeof(float))
      out[j] += x[j];
    else
      out[j] = convert<T>(convert<double>(out[j]) + convert<double>(x[j]));
  }
}

template <class T>
static void add_rows(const T* x, int64_t size, const int64_t* from, int64_t count, bool keeps,
                     T* out) {
  double sums[kBlock];
  for (int64_t left = 0; left < size; left += kBlock) {
    const int64_t n = std::min(kBlock, size - left);
    for (int64_t j = 0; j < n; ++j) sums[j] = keeps ? convert<double>(out[left + j]) : 0;
    for (int64_t k = 0; k < count; ++k) {
      const T* row = x + from[k] * size + left;
      for (int64_t j = 0; j < n; ++j) sums[j] += convert<double>(row[j]);
    }
    for (int64_t j = 0; j < n; ++j) out[left + j] = convert<T>(sums[j]);
  }
}

void scatter_rows(const ScatterRows& op, Stream& stream) {
  const int64_t size = op.row_size();
  const Sources sources = sources_of(op, stream);
  visit_storage(op.out.dtype, [&]<class T>() {
    const int64_t *first = sources.first, *from = sources.from;
    const T* x = op.x.as<T>();
    const int64_t bytes = size * int64_t(sizeof(T));
    const bool streams = streams_to(op.out, op.out.as<T>()) && is_line(x) && are_lines(bytes);
    for_rows(stream, sources.places, size, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        const int64_t count = first[k + 1] - first[k];
        T* out = op.out.as<T>() + sources.row(k) * size;
        if (count == 0) {
          if (op.beta == 0) std::fill_n(out, size, T{});
          continue;
        }
        const T* last = x + from[first[k + 1] - 1] * size;
        if (op.mode == ScatterMode::kSet) {
          if (streams)
            stream_lines(out, last, bytes);
          else
            std::copy_n(last, size, out);
        } else if (count == 1 && op.beta != 0) {
          add_row(last, size, out);
        } else {
          add_rows(x, size, from + first[k], count, op.beta != 0, out);
        }
      }
    });
  });
}
ORTHOKIT_KERNEL(ScatterRows, scatter_rows);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
