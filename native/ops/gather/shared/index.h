// Rows of a table by index.
#pragma once
#include "core/op.h"

namespace orthokit {

// True if `rows` has a row of the table an element of the index: its axes are those of the index,
// then those of a row.
inline bool fits_index(const View& rows, const View& index, const View& table) {
  if (rows.rank != index.rank + table.rank - 1) return false;
  for (int i = 0; i < rows.rank; ++i) {
    const int64_t size = i < index.rank ? index.shape[i] : table.shape[i - index.rank + 1];
    if (rows.shape[i] != size) return false;
  }
  return true;
}

}  // namespace orthokit
