#include "ops/pursuit/correlations.h"

#include <algorithm>

#include "cpu/vectors.h"
#ifdef __AVX2__
#include "cpu/panels.h"
#endif

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

// Packed of atoms, and as much of signals: scratch memory grows with neither.
constexpr int64_t kMostPanels = 64, kMostBytes = int64_t(1) << 25;

int64_t panels_at_once(int64_t panels, int64_t bytes) {
  return std::clamp<int64_t>(kMostBytes / std::max<int64_t>(1, bytes), 1,
                             std::min(panels, kMostPanels));
}

int64_t parts_of(int64_t total, int64_t part) { return (total + part - 1) / part; }

// Signals beside each other in registers, and atoms in a packed panel, element k of all side by
// side.
constexpr int kSignals = 4, kAtoms = 16;

template <class T>
void multiply_few(int64_t signals, int64_t atoms, int64_t depth, const T* x, const T* panel, T* out,
                  int64_t stride) {
  constexpr int kVectors = kAtoms / kVectorSize<T>;
  Vector<T> sums[kSignals][kVectors] = {};
  const T* rows[kSignals];
  for (int s = 0; s < kSignals; ++s) rows[s] = x + std::min<int64_t>(s, signals - 1) * depth;
  for (int64_t k = 0; k < depth; ++k)
#pragma GCC unroll 4
    for (int s = 0; s < kSignals; ++s) {
      const Vector<T> factor = rows[s][k] - Vector<T>{};
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v)
        add_product<T>(factor, panel + k * kAtoms + v * kVectorSize<T>, sums[s][v]);
    }
  for (int64_t s = 0; s < signals; ++s)
    std::copy_n(reinterpret_cast<const T*>(sums[s]), atoms, out + s * stride);
}

template <class T>
void in_few(const Correlations& op, Stream& stream) {
  const int64_t signals = op.x.shape[0], depth = op.x.shape[1], atoms = op.atoms.shape[0];
  const int64_t panels = parts_of(atoms, kAtoms), panel_size = depth * kAtoms,
                group = panels_at_once(panels, panel_size * sizeof(T));
  T* packed = stream.scratch<T>(group * panel_size);
  for (int64_t begin = 0; begin < panels; begin += group)
    stream.parallel(std::min(group, panels - begin), [&](int64_t part) {
      const int64_t first = (begin + part) * kAtoms,
                    count = std::min<int64_t>(kAtoms, atoms - first);
      T* panel = packed + part * panel_size;
      std::fill_n(panel, panel_size, T(0));
      for (int64_t a = 0; a < count; ++a)
        for (int64_t k = 0; k < depth; ++k)
          panel[k * kAtoms + a] = op.atoms.as<T>()[(first + a) * depth + k];
      for (int64_t s = 0; s < signals; s += kSignals)
        multiply_few(std::min<int64_t>(kSignals, signals - s), count, depth,
                     op.x.as<T>() + s * depth, panel, op.out.as<T>() + s * atoms + first, atoms);
    });
}

#ifdef __AVX2__

void in_panels(const Correlations& op, Stream& stream) {
  const int64_t signals = op.x.shape[0], depth = op.x.shape[1], atoms = op.atoms.shape[0];
  const int64_t lefts = parts_of(signals, kPanel), rights = parts_of(atoms, kPanel),
                panel_size = depth * kPanel, bytes = panel_size * int64_t(sizeof(float)),
                most =
                    std::min(lefts, std::max<int64_t>(1, kMostBytes / std::max<int64_t>(1, bytes))),
                group = panels_at_once(rights, bytes);
  float *left = stream.scratch<float>(most * panel_size),
        *right = stream.scratch<float>(group * panel_size);
  // A panel is packed in runs of kDepth, each of which a running sum takes whole.
  const auto pack = [&](const View& rows, int64_t row, float* panel) {
    for (int64_t k = 0; k < depth; k += kDepth)
      pack_panel(false, rows.as<float>() + row * depth + k, depth,
                 std::min<int64_t>(kPanel, rows.shape[0] - row), std::min(kDepth, depth - k),
                 panel + k * kPanel);
  };
  for (int64_t begin = 0; begin < lefts; begin += most) {
    const int64_t count = std::min(most, lefts - begin);
    stream.parallel(count,
                    [&](int64_t l) { pack(op.x, (begin + l) * kPanel, left + l * panel_size); });
    for (int64_t first = 0; first < rights; first += group)
      stream.parallel(std::min(group, rights - first), [&](int64_t part) {
        const int64_t column = (first + part) * kPanel;
        float* panel = right + part * panel_size;
        pack(op.atoms, column, panel);
        for (int64_t k = 0; k == 0 || k < depth; k += kDepth)
          for (int64_t l = 0; l < count; ++l) {
            const int64_t row = (begin + l) * kPanel;
            float* out = op.out.as<float>() + row * atoms + column;
            multiply_panels(std::min(kDepth, depth - k), left + l * panel_size + k * kPanel,
                            panel + k * kPanel, std::min<int64_t>(kPanel, signals - row),
                            std::min<int64_t>(kPanel, atoms - column), false, 1, k == 0 ? 0 : 1,
                            out, out, atoms);
          }
      });
  }
}

#endif

}  // namespace

void correlations(const Correlations& op, Stream& stream) {
  if (op.out.size() == 0) return;
#ifdef __AVX2__
  if (op.out.dtype == Dtype::kF32) return in_panels(op, stream);
#endif
  visit(op.out.dtype, [&]<class T>() { in_few<T>(op, stream); });
}
ORTHOKIT_KERNEL(Correlations, correlations);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
