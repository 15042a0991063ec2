#include "ops/network/pool2d.h"

#include "cpu/chunks.h"
#include "cpu/kernels/network/shared/channels.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The windows of one row of out.
template <class S>
struct WindowRow {
  const S *x, *follows;  // where its first window begins; follows may be null
  S* out;
  void* places;
  Dtype place_dtype;
  int64_t channels, width, stride, size, count;  // width: elements from row to row of x

  // f(number of the element in its window, its distance from the window's first one)
  template <class F>
  __attribute__((always_inline)) void visit(F&& f) const {
    int number = 0;
    for (int64_t u = 0; u < size; ++u)
      for (int64_t v = 0; v < size; ++v) f(number++, u * width + v * channels);
  }

  template <class Lanes>
  void largest(int64_t window, int64_t c) const {
    using Integers = typename LanesOf<Lanes>::Integers;
    const int64_t at = window * stride * channels + c, to = window * channels + c;
    Lanes best, followed;
    Integers place{};
    load_lanes(x + at, best);
    visit([&](int number, int64_t distance) {
      Lanes value;
      load_lanes(x + at + distance, value);
      const auto is_larger = (value > best) | (value != value);
      best = is_larger ? value : best;
      place = is_larger ? Integers{} + number : place;
    });
    if (follows) {
      followed = Lanes{};
      visit([&](int number, int64_t distance) {
        Lanes value;
        load_lanes(follows + at + distance, value);
        followed = place == number ? value : followed;
      });
      best = followed;
    }
    store_lanes(best, out + to);
    if (!places) return;
    if (place_dtype == Dtype::kU8)
      store_places(place, static_cast<uint8_t*>(places) + to);
    else
      store_places(place, static_cast<int32_t*>(places) + to);
  }

  template <class Lanes>
  void mean(int64_t window, int64_t c) const {
    using T = typename LanesOf<Lanes>::Element;
    const S* from = x + window * stride * channels + c;
    Lanes sum{};
    visit([&](int, int64_t distance) {
      Lanes value;
      load_lanes(from + distance, value);
      sum += value;
    });
    store_lanes(Lanes(sum / T(size * size)), out + window * channels + c);
  }

  template <class Integers, class P>
  static void store_places(const Integers& place, P* to) {
    if constexpr (std::is_integral_v<Integers>) {
      *to = P(place);
    } else {
      constexpr int kCount = sizeof(Integers) / sizeof(place[0]);
      for (int i = 0; i < kCount; ++i) to[i] = P(place[i]);
    }
  }
};

template <class S>
static void pool2d(const Pool2d& op, Stream& stream) {
  const PoolWindows windows = op.windows();
  const int64_t height = op.x.shape[1], width = op.x.shape[2], channels = op.x.shape[3];
  const int64_t rows = op.out.shape[1], count = op.out.shape[2];
  for_rows(stream, op.out.shape[0] * rows, windows.size * width * channels,
           [&](int64_t first, int64_t last) {
             for (int64_t row = first; row < last; ++row) {
               const int64_t image = row / rows, top = row % rows * windows.stride;
               const int64_t from = (image * height + top) * width * channels;
               const int64_t to = row * count * channels;
               const WindowRow<S> line{
                   op.x.as<S>() + from,
                   op.follows ? op.follows.as<S>() + from : nullptr,
                   op.out.as<S>() + to,
                   op.places ? op.places.as<uint8_t>() + to * int64_t(bytes_of(op.places.dtype))
                             : nullptr,
                   op.places.dtype,
                   channels,
                   width * channels,
                   windows.stride,
                   windows.size,
                   count};
               for (int64_t window = 0; window < count; ++window)
                 for_lanes<ArithmeticOf<S>>(channels, [&]<class Lanes>(int64_t c) {
                   if (op.kind == PoolKind::kMax)
                     line.template largest<Lanes>(window, c);
                   else
                     line.template mean<Lanes>(window, c);
                 });
             }
           });
}

void pool2d(const Pool2d& op, Stream& stream) {
  visit_storage(op.x.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) pool2d<S>(op, stream);
  });
}
ORTHOKIT_KERNEL(Pool2d, pool2d);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
