// A factor of a product of matrices, as lines along or across the inner side.
#pragma once
#include <algorithm>

#include "cpu/vector_part.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// One factor of a batch. Row i's element k lies at data[down ? k · stride + i : i · stride + k];
// the left factor's rows are those of the result, the right one's are its columns.
template <class T>
struct RowFactor {
  const T* data;
  int64_t rows, stride, matrix;  // elements between matrices
  bool down;

  // That of the same rows, from row i and element k on.
  const T* at(int64_t i, int64_t k) const {
    return data + (down ? k * stride + i : i * stride + k);
  }
};

template <class T>
inline void copy_rows(const T* from, int64_t stride, int64_t columns, int64_t rows, T* to,
                      int64_t to_stride) {
  constexpr int64_t kLanes = kVectorSize<T>;
  for (int64_t r = 0; r < rows; ++r, from += stride, to += to_stride) {
    int64_t i = 0;
    for (; i + kLanes <= columns; i += kLanes) {
      Vector<T> x;
      load<T>(from + i, x);
      store<T>(x, to + i);
    }
    if (i < columns) {
      Vector<T> x;
      load_first<T>(from + i, columns - i, x);
      store_first<T>(x, columns - i, to + i);
    }
  }
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
