// Kernels in the panels that `convolve` reads: what is summed at once lies side by side.
#pragma once
#include "cpu/convert.h"
#include "cpu/kernels/network/shared/convolve.h"
#include "cpu/stream.h"
#include "cpu/transpose.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// out[k, q] = kernel `first + q`'s element k, 0 for q from `columns` on to `width`.
template <class T>
void pack_kernel_panel(const View& kernel, int64_t first, int64_t columns, int64_t width, T* out) {
  const int64_t depth = kernel.size() / kernel.shape[0];
  if (columns < width) std::fill_n(out, depth * width, T(0));
  if constexpr (std::is_same_v<T, float>)
    if (kernel.dtype == Dtype::kF32)
      return transpose(kernel.as<float>() + first * depth, depth, columns, depth, out, width);
  T buffer[kBlock];
  for (int64_t q = 0; q < columns; ++q)
    for (int64_t done = 0; done < depth; done += kBlock) {
      const int64_t n = std::min(kBlock, depth - done);
      const T* from = load(kernel, (first + q) * depth + done, n, buffer);
      for (int64_t k = 0; k < n; ++k) out[(done + k) * width + q] = from[k];
    }
}

// All kernels [O, depth], group after group, panel after panel, each [depth][width].
template <class T>
void pack_kernels(const View& kernel, int64_t groups, Stream& stream, T* out) {
  const int64_t kernels = kernel.shape[0] / groups, depth = kernel.size() / kernel.shape[0];
  const int64_t group = packed_size<T>(depth, kernels), columns = kRowTileColumns<T>,
                panels = (kernels + columns - 1) / columns;
  stream.parallel(groups * panels, [&](int64_t part) {
    const int64_t g = part / panels, at = part % panels * columns,
                  n = std::min(columns, kernels - at);
    pack_kernel_panel(kernel, g * kernels + at, n, whole_vectors<T>(n),
                      out + g * group + at * depth);
  });
}

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
