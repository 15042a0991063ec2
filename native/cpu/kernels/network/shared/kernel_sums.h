// Partial gradients of kernels: parts of the work in fixed slots, whose sums are added in order.
#pragma once
#include "cpu/convert.h"
#include "cpu/row_tile.h"
#include "cpu/transpose.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Of kernels [O, depth], group after group, in panels [depth][width] of kRowTileColumns of them.
template <class T>
class KernelSums {
 public:
  // A panel of a slot: the parts [from, to) of the work, kernels [first, first + columns) of a
  // group.
  struct Unit {
    int64_t from, to, group, first, columns, width;
    T* sums;
  };

  KernelSums() = default;
  KernelSums(const View& kernel, int64_t groups, int64_t parts, Stream& stream)
      : groups_(groups), parts_(parts) {
    constexpr int64_t kMostSlots = 8, kMostBytes = 16 << 20;
    kernels_ = kernel.shape[kernel.rank - 4] / groups;
    depth_ = kernel.shape[kernel.rank - 3] * kernel.shape[kernel.rank - 2] *
             kernel.shape[kernel.rank - 1];
    panels_ = (kernels_ + kColumns - 1) / kColumns;
    group_ = depth_ * whole_vectors<T>(kernels_), slot_ = groups * group_;
    const int64_t most =
        std::clamp<int64_t>(kMostBytes / (slot_ * int64_t(sizeof(T))), 2, kMostSlots);
    // Panels are apart anyway: more slots than keep some threads busy are more to add.
    slots_ = std::clamp<int64_t>(std::min(parts / 4, 2 * kMostSlots / (groups * panels_)), 1, most);
    each_ = (parts + slots_ - 1) / slots_;
    slots_ = each_ == 0 ? 1 : (parts + each_ - 1) / each_;
    sums_ = stream.scratch<T>(slots_ * slot_);
    if (parts == 0) std::fill_n(sums_, slot_, T(0));
  }

  int64_t units() const { return slots_ * groups_ * panels_; }
  Unit unit(int64_t index) const {
    const int64_t slot = index / (groups_ * panels_), g = index / panels_ % groups_,
                  o = index % panels_ * kColumns, columns = std::min(kColumns, kernels_ - o);
    return {slot * each_,
            std::min(parts_, (slot + 1) * each_),
            g,
            o,
            columns,
            whole_vectors<T>(columns),
            sums_ + slot * slot_ + g * group_ + o * depth_};
  }

  // kernel = sums + beta · kernel, of one sample.
  void store(const View& kernel, int64_t sample, T beta, Stream& stream) const {
    const int64_t pieces = (depth_ + kPiece - 1) / kPiece;
    stream.parallel(groups_ * panels_ * pieces, [&](int64_t part) {
      const Unit first = unit(part / pieces);
      const int64_t k = part % pieces * kPiece, n = std::min(kPiece, depth_ - k);
      alignas(64) T sum[kPiece * kColumns], turned[kColumns * kPiece];
      const T* from = first.sums + k * first.width;
      std::copy_n(from, n * first.width, sum);
      for (int64_t slot = 1; slot < slots_; ++slot)
        for (int64_t i = 0; i < n * first.width; ++i) sum[i] += from[slot * slot_ + i];
      if constexpr (std::is_same_v<T, float>)
        transpose(sum, first.width, n, first.columns, turned, kPiece);
      else
        for (int64_t i = 0; i < n; ++i)
          for (int64_t o = 0; o < first.columns; ++o)
            turned[o * kPiece + i] = sum[i * first.width + o];
      for (int64_t o = 0; o < first.columns; ++o)
        store_sums(kernel,
                   ((sample * groups_ + first.group) * kernels_ + first.first + o) * depth_ + k, n,
                   turned + o * kPiece, beta);
    });
  }

 private:
  static constexpr int64_t kColumns = kRowTileColumns<T>, kPiece = 64;

  int64_t groups_, parts_, kernels_, depth_, panels_;
  int64_t group_, slot_, slots_, each_;  // elements of a group, of a slot; slots; parts of one
  T* sums_;
};

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
