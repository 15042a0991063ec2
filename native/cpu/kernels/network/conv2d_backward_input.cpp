#include "ops/network/conv2d_backward_input.h"

#include "cpu/kernels/network/shared/conv2d_bands.h"
#include "cpu/kernels/network/shared/convolve_inside.h"
#include "cpu/kernels/network/shared/reach.h"
#include "cpu/kernels/network/shared/scatter_input.h"
#include "cpu/kernels/network/shared/winograd.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

// At stride s: convolutions of grad with the kernels mirrored, one for each of s × s pixels.
template <class T>
class BackwardInput {
 public:
  BackwardInput(const Conv2dBackwardInput& op, Stream& stream)
      : op_(flattened(op)),
        s_(op_.sizes()),
        stream_(stream),
        by_channel_(is_by_channel(s_)),
        rows_(s_, 0, stream),
        columns_(s_, 1, stream) {
    groups_ = by_channel_ ? 1 : s_.groups;
    channels_ = s_.channels / groups_, kernels_ = s_.kernels / groups_;
    pixel_ = by_channel_ ? whole_vectors<T>(kernels_) : kernels_;
    left_ = std::max<int64_t>(0, -columns_.least);
    wide_ = left_ + std::max<int64_t>(0, columns_.last) + 1;
    // Nothing beyond grad's columns is asked for: its rows can be read where they are.
    if (left_ == 0 && wide_ < s_.out_width) wide_ = s_.out_width;
    const int64_t most = rows_.all[0].pixels;
    under_ = rows_.most - rows_.least + 1;
    band_ = band_rows(most, 1, under_, wide_ * pixel_ * int64_t(sizeof(T)));
    phases_ = stream.scratch<Phase>(rows_.count * columns_.count);
    for (int64_t p = 0; p < rows_.count * columns_.count; ++p)
      phases_[p] = phase(rows_.all[p / columns_.count], columns_.all[p % columns_.count]);
  }

  void run() {
    if constexpr (std::is_same_v<T, float>)
      if (winograd_pays(s_)) {  // one phase, whose kernels are mirrored
        const Winograd winograd(op_.grad, 2 - s_.padding[0], 2 - s_.padding[1], phases_[0].weights,
                                op_.grad_x, float(op_.beta), nullptr, stream_);
        if (winograd.kernels_are_finite()) return winograd.run();
      }
    only_inside_ = !is_pointwise(s_) && !weights_are_finite();
    const int64_t most = rows_.all[0].pixels, bands = (most + band_ - 1) / band_,
                  parts = bands * groups_;
    const SlotsOf<T> slots(stream_, (band_ + under_ - 1) * wide_ * pixel_);
    stream_.parallel(s_.images * parts, [&](int64_t part) {
      const int64_t image = part / parts, band = part % parts / groups_, g = part % groups_;
      slots.borrow([&](T* buffer) { run_band(image, band * band_, g, buffer); });
    });
  }

 private:
  struct Phase {
    Reach row, column;
    Segments inner;
    T* weights;
    int64_t packed;  // elements of a group's weights
  };

  bool weights_are_finite() const {
    for (int64_t p = 0; p < rows_.count * columns_.count; ++p)
      if (!are_finite(phases_[p].weights, groups_ * phases_[p].packed, stream_)) return false;
    return true;
  }

  static Conv2dBackwardInput flattened(Conv2dBackwardInput op) {
    if (is_pointwise(op.sizes())) as_one_column(op.grad), as_one_column(op.grad_x);
    return op;
  }

  Phase phase(const Reach& row, const Reach& column) const {
    bool adjacent = !by_channel_;
    for (int64_t v = 1; v < column.count; ++v)
      adjacent = adjacent && column.offset[v] == column.offset[0] + v;
    const int64_t run = adjacent && column.count > 0 ? column.count : 1,
                  count = row.count * (column.count / run);
    auto* at = stream_.scratch<int64_t>(count);
    for (int64_t u = 0, k = 0; u < row.count; ++u)
      for (int64_t v = 0; v < column.count; v += run)
        at[k++] = ((row.offset[u] - rows_.least) * wide_ + column.offset[v] + left_) * pixel_;
    const int64_t taken = by_channel_ ? 1 : kernels_,
                  packed = packed_size<T>(row.count * column.count * taken, channels_);
    Phase result{
        row, column, {at, count, run * taken}, stream_.scratch<T>(groups_ * packed), packed};
    stream_.parallel(row.count * column.count * groups_, [&](int64_t part) {
      const int64_t place = part / groups_, u = place / column.count, v = place % column.count;
      pack(result, part % groups_, place, row.place[u] * s_.kernel_width + column.place[v]);
    });
    return result;
  }

  // The `place`-th element of the mirrored kernels of a group.
  void pack(const Phase& p, int64_t g, int64_t place, int64_t element) const {
    const int64_t plane = s_.kernel_height * s_.kernel_width, own = s_.group_channels(),
                  depth = p.inner.count * p.inner.depth;
    if (depth == 0) return;
    for (int64_t c = 0; c < channels_; c += kRowTileColumns<T>) {
      const int64_t columns = std::min(kRowTileColumns<T>, channels_ - c),
                    width = whole_vectors<T>(columns);
      T* out = p.weights + g * p.packed + c * depth;
      if (by_channel_) {
        out += place * width;
        for (int64_t q = 0; q < columns; ++q) copy((c + q) * plane + element, 1, out + q);
        std::fill_n(out + columns, width - columns, T(0));
        continue;
      }
      out += place * kernels_ * width;
      for (int64_t o = 0; o < kernels_; ++o, out += width) {
        copy(((g * kernels_ + o) * plane + element) * own + c, columns, out);
        std::fill_n(out + columns, width - columns, T(0));
      }
    }
  }
  void copy(int64_t at, int64_t n, T* out) const {
    const T* from = load(op_.kernel, at, n, out);
    if (from != out) std::copy_n(from, n, out);
  }

  void run_band(int64_t image, int64_t from, int64_t g, T* buffer) const {
    const int64_t to = std::min(from + band_, rows_.all[0].pixels);
    const ImageRows under{op_.grad, image, from + rows_.least, to - 1 + rows_.least + under_,
                          left_,    wide_, g * kernels_,       kernels_,
                          pixel_};
    const T* grad = under.read(buffer);
    for (int64_t p = 0; p < rows_.count * columns_.count; ++p) {
      const Phase& phase = phases_[p];
      const Reach &row = phase.row, &column = phase.column;
      const Walk walk{std::min(to, row.pixels) - from, column.pixels, wide_ * pixel_, pixel_,
                      phase.inner};
      const int64_t h = row.first + from * s_.stride[0];
      const SumsTo<T> sums{
          op_.grad_x,
          ((image * s_.height + h) * s_.width + column.first) * s_.channels + g * channels_,
          s_.stride[0] * s_.width * s_.channels,
          s_.stride[1] * s_.channels,
          channels_,
          T(op_.beta),
          nullptr};
      const T* weights = phase.weights + g * phase.packed;
      if (walk.rows <= 0) continue;
      if (only_inside_)
        run_inside(grad, from, walk.rows, phase, weights, sums);
      else
        convolve(walk, grad, weights, sums, by_channel_);
    }
  }

  void run_inside(const T* grad, int64_t from, int64_t rows, const Phase& phase, const T* weights,
                  const SumsTo<T>& to) const {
    const Reach &row = phase.row, &column = phase.column;
    const auto for_taps = [&](int64_t i, int64_t j, auto&& f) {
      for (int64_t u = 0; u < row.count; ++u)
        for (int64_t v = 0; v < column.count; ++v) {
          const int64_t down = i + row.offset[u], across = j + column.offset[v];
          if (from + down >= 0 && from + down < s_.out_height && across >= 0 &&
              across < s_.out_width)
            f(u * column.count + v,
              grad + ((down - rows_.least) * wide_ + across + left_) * pixel_);
        }
    };
    convolve_inside(rows, column.pixels, row.count * column.count, kernels_, by_channel_, weights,
                    to, for_taps);
  }

  const Conv2dBackwardInput op_;
  const Conv2dSizes s_;
  Stream& stream_;
  const bool by_channel_;
  const Reaches rows_, columns_;
  int64_t groups_, channels_, kernels_;  // of a group
  int64_t pixel_, left_, wide_;          // of grad as it is walked over
  int64_t under_, band_;  // rows of grad for a pixel; rows of a phase's pixels at once
  Phase* phases_;
  bool only_inside_ =
      false;  // without the products of zeros beyond the edges, as these would be NaN
};

template <class T>
void run(const Conv2dBackwardInput& op, Stream& stream) {
  if (ScatterInput<T>::pays(op.sizes()))
    ScatterInput<T>(op, stream).run();
  else
    BackwardInput<T>(op, stream).run();
}

}  // namespace

void conv2d_backward_input(const Conv2dBackwardInput& op, Stream& stream) {
  if (op.grad_x.size() == 0) return;
  op.grad.dtype == Dtype::kF64 ? run<double>(op, stream) : run<float>(op, stream);
}
ORTHOKIT_KERNEL(Conv2dBackwardInput, conv2d_backward_input);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
