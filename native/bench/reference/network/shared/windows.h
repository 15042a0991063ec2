// Windows over images, in plain loops.
#pragma once
#include "bench/reference/reference.h"
#include "ops/network/shared/pool.h"

namespace orthokit::bench {

// body(element of the result, element of the images, number of that in its window) for every
// element of every window.
void for_windows(const View& images, const View& result, PoolWindows windows, auto&& body) {
  const int64_t channels = images.shape[3];
  int64_t to = 0;
  for (int64_t n = 0; n < result.shape[0]; ++n)
    for (int64_t i = 0; i < result.shape[1]; ++i)
      for (int64_t j = 0; j < result.shape[2]; ++j)
        for (int64_t c = 0; c < channels; ++c, ++to)
          for (int64_t u = 0; u < windows.size; ++u)
            for (int64_t v = 0; v < windows.size; ++v) {
              const int64_t y = i * windows.stride + u, x = j * windows.stride + v;
              const int64_t from = ((n * images.shape[1] + y) * images.shape[2] + x) * channels + c;
              body(to, from, u * windows.size + v);
            }
}

}  // namespace orthokit::bench
