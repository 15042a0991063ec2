// Which results a pixel is in, along one axis of a convolution.
#pragma once
#include <algorithm>

#include "cpu/stream.h"
#include "cpu/variant.h"
#include "ops/network/shared/conv2d.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Pixels `first`, first + stride, …: the r-th of them is in the results r + offset[k] with the
// kernel's elements place[k]. Offsets ascend.
struct Reach {
  int64_t first, pixels, count;
  const int64_t *place, *offset;
};

// All pixels of an axis, by what reaches them: one for each of a stride's first pixels.
struct Reaches {
  int64_t count;
  Reach* all;
  int64_t least = 0, most = 0, last = 0;  // offsets; the last result that a pixel is in

  Reaches(const Conv2dSizes& s, int axis, Stream& stream) {
    const int64_t stride = s.stride[axis], size = axis == 0 ? s.height : s.width,
                  kernel = axis == 0 ? s.kernel_height : s.kernel_width;
    count = std::min(stride, size);
    all = stream.scratch<Reach>(count);
    auto* numbers = stream.scratch<int64_t>(2 * kernel);
    bool found = false;
    for (int64_t first = 0; first < count; ++first) {
      Reach& reach = all[first];
      int64_t *place = numbers, *offset = numbers + kernel;
      reach = {first, (size - first + stride - 1) / stride, 0, nullptr, nullptr};
      for (int64_t k = kernel - 1; k >= 0; --k) {
        const int64_t at = first + s.padding[axis] - s.dilation[axis] * k;
        if (at % stride != 0) continue;
        place[reach.count] = k, offset[reach.count] = at / stride;
        ++reach.count;
      }
      if (reach.count == 0) continue;
      auto* own = stream.scratch<int64_t>(2 * reach.count);
      std::copy_n(place, reach.count, own);
      std::copy_n(offset, reach.count, own + reach.count);
      reach.place = own, reach.offset = own + reach.count;
      const int64_t low = reach.offset[0], high = reach.offset[reach.count - 1],
                    end = high + reach.pixels - 1;
      least = found ? std::min(least, low) : low, most = found ? std::max(most, high) : high;
      last = found ? std::max(last, end) : end;
      found = true;
    }
  }
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
