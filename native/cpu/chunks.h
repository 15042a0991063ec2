// A list of tensors, cut into chunks of fixed size and numbered in order: one parallel region
// covers them all, and small tensors go to a thread together.
#pragma once
#include <algorithm>

#include "cpu/variant.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

inline constexpr int64_t kChunk = 1 << 14;  // elements; never depends on the number of threads

struct Chunk {
  int64_t index;   // its slot for partial results
  int64_t tensor;  // position in the list
  int64_t begin, size;
};

class Chunks {
 public:
  Chunks(const List<View>& tensors, Stream& stream)
      : tensors_(tensors), stream_(stream), first_(stream.scratch<int64_t>(tensors.count + 1)) {
    first_[0] = 0;
    for (int64_t t = 0; t < tensors.count; ++t)
      first_[t + 1] = first_[t] + (tensors[t].size() + kChunk - 1) / kChunk;
    parts_ = stream.scratch<Part>(count());
    int64_t filled = kChunk;
    for (int64_t t = 0; t < tensors.count; ++t)
      for (int64_t i = begin(t); i < begin(t + 1); ++i) {
        const int64_t size = chunk(t, i).size;
        if (filled + size > kChunk) parts_[part_count_++] = {t, i}, filled = 0;
        filled += size;
      }
  }
  int64_t count() const { return first_[tensors_.count]; }
  int64_t begin(int64_t tensor) const {
    return first_[tensor];
  }  // slots of a tensor: begin(t) … begin(t + 1) − 1

  // body(chunk) for every chunk, on all threads.
  template <class Body>
  void run(Body&& body) const {
    stream_.parallel(part_count_, [&](int64_t part) {
      const int64_t end = part + 1 < part_count_ ? parts_[part + 1].chunk : count();
      int64_t t = parts_[part].tensor;
      for (int64_t i = parts_[part].chunk; i < end; ++i) {
        while (i >= begin(t + 1)) ++t;
        body(chunk(t, i));
      }
    });
  }

  // Adds the partial results of each tensor in index order: total(tensor, sum).
  template <class Partial, class Total>
  void reduce(const Partial* partial, Total&& total) const {
    for (int64_t t = 0; t < tensors_.count; ++t) {
      Partial sum{};
      for (int64_t i = begin(t); i < begin(t + 1); ++i) sum += partial[i];
      total(t, sum);
    }
  }

 private:
  struct Part {  // of the parallel region: where it begins
    int64_t tensor, chunk;
  };
  Chunk chunk(int64_t tensor, int64_t index) const {
    const int64_t at = (index - begin(tensor)) * kChunk;
    return {index, tensor, at, std::min(kChunk, tensors_[tensor].size() - at)};
  }
  const List<View>& tensors_;
  Stream& stream_;
  int64_t* first_;
  Part* parts_;
  int64_t part_count_ = 0;
};

// Rows in fixed groups of about a chunk: body(first row, one past the last).
template <class Body>
void for_rows(Stream& stream, int64_t rows, int64_t columns, Body&& body) {
  const int64_t group = std::max<int64_t>(1, kChunk / std::max<int64_t>(1, columns));
  stream.parallel((rows + group - 1) / group,
                  [&](int64_t i) { body(i * group, std::min(rows, (i + 1) * group)); });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
