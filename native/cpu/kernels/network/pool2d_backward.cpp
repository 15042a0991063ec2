#include "ops/network/pool2d_backward.h"

#include "cpu/chunks.h"
#include "cpu/kernels/network/shared/channels.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// Rows of gradX, all of whose elements are written: of an average where P is void.
template <class S, class P>
struct PoolGradient {
  using T = ArithmeticOf<S>;
  static constexpr bool kIsMax = !std::is_void_v<P>;

  const Pool2dBackward& op;
  const S* grad = op.grad.as<S>();
  const P* places = op.places.as<P>();
  S* grad_x = op.grad_x.as<S>();
  PoolWindows windows = op.windows();
  int64_t rows = op.grad.shape[1], columns = op.grad.shape[2], height = op.grad_x.shape[1],
          width = op.grad_x.shape[2], channels = op.grad_x.shape[3];
  T beta = T(op.beta), area = T(op.size * op.size);

  template <class Lanes>
  struct Piece {  // of the gradients of a window, and their places in it
    Lanes grad;
    typename LanesOf<Lanes>::Integers place;

    __attribute__((always_inline)) void part(int number, Lanes& out) const {
      if constexpr (kIsMax)
        out = place == number ? grad : Lanes{};
      else
        out = grad;
    }
  };
  template <class Lanes>
  __attribute__((always_inline)) void load_piece(int64_t at, Piece<Lanes>& piece) const {
    load_lanes(grad + at, piece.grad);
    if constexpr (kIsMax) load_lanes(places + at, piece.place);
  }
  template <class Lanes>
  __attribute__((always_inline)) void put(Lanes& sum, S* out) const {
    if (beta != 0) {
      Lanes old;
      load_lanes(out, old);
      sum += beta * old;
    }
    store_lanes(sum, out);
  }
  void put_zeros(S* out, int64_t size) const {
    if (beta == 0)
      std::fill_n(out, size, S{});
    else if (beta != 1)
      for (int64_t i = 0; i < size; ++i) out[i] = convert<S>(beta * convert<T>(out[i]));
  }

  // Row y of an image, where no windows overlap.
  void spread_row(int64_t image, int64_t y, S* out) const {
    const int64_t i = y / windows.stride, u = y % windows.stride;
    if (i >= rows || u >= windows.size) return put_zeros(out, width * channels);
    int64_t x = 0;
    for (int64_t j = 0; j < columns; ++j) {
      const int64_t from = ((image * rows + i) * columns + j) * channels;
      for_lanes<T>(channels, [&]<class Lanes>(int64_t c) {
        Piece<Lanes> piece;
        load_piece(from + c, piece);
        if constexpr (!kIsMax) piece.grad = piece.grad / area;
        for (int64_t v = 0; v < windows.size; ++v) {
          Lanes part;
          piece.part(int(u * windows.size + v), part);
          put(part, out + (x + v) * channels + c);
        }
      });
      x = std::min(x + windows.stride, width);
      const int64_t end = j * windows.stride + windows.size;
      put_zeros(out + end * channels, (x - end) * channels);
    }
    put_zeros(out + x * channels, (width - x) * channels);
  }

  // The windows that a place is in: first … last − 1.
  int64_t first(int64_t place) const {
    const int64_t before = place - windows.size + windows.stride;
    return before > 0 ? before / windows.stride : 0;
  }
  int64_t last(int64_t place, int64_t count) const {
    return std::min(place / windows.stride + 1, count);
  }

  // The same where they do: each element is a sum over its windows.
  void gather_row(int64_t image, int64_t y, S* out) const {
    const int64_t top = first(y), bottom = last(y, rows);
    for (int64_t x = 0; x < width; ++x) {
      const int64_t left = first(x), right = last(x, columns);
      for_lanes<T>(channels, [&]<class Lanes>(int64_t c) {
        Lanes sum{};
        for (int64_t i = top; i < bottom; ++i) {
          int64_t at = ((image * rows + i) * columns + left) * channels + c;
          int number = int((y - i * windows.stride) * windows.size + x - left * windows.stride);
          for (int64_t j = left; j < right; ++j) {
            Piece<Lanes> piece;
            Lanes part;
            load_piece(at, piece), piece.part(number, part);
            sum += part;
            at += channels, number -= int(windows.stride);
          }
        }
        if constexpr (!kIsMax) sum = sum / area;
        put(sum, out + x * channels + c);
      });
    }
  }

  void run(Stream& stream) const {
    for_rows(
        stream, op.grad_x.shape[0] * height, width * channels, [&](int64_t begin, int64_t end) {
          for (int64_t row = begin; row < end; ++row) {
            const int64_t image = row / height, y = row % height;
            S* out = grad_x + row * width * channels;
            windows.stride < windows.size ? gather_row(image, y, out) : spread_row(image, y, out);
          }
        });
  }
};

void pool2d_backward(const Pool2dBackward& op, Stream& stream) {
  visit_storage(op.grad.dtype, [&]<class S>() {
    if constexpr (!std::is_integral_v<S>) {
      if (op.kind == PoolKind::kAverage)
        PoolGradient<S, void>{op}.run(stream);
      else if (op.places.dtype == Dtype::kU8)
        PoolGradient<S, uint8_t>{op}.run(stream);
      else
        PoolGradient<S, int32_t>{op}.run(stream);
    }
  });
}
ORTHOKIT_KERNEL(Pool2dBackward, pool2d_backward);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
