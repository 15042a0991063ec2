// A function of one or two operands, element by element over lists, in their common dtype.
#pragma once
#include "cuda/lists.cuh"

namespace orthokit::cuda {

template <int inputs, bool adds, class F>
struct ElementwisePiece {
  static_assert(inputs == 1 || inputs == 2);
  const Operand *out, *x, *y;
  F f;

  template <class T>
  __device__ void run(const Piece& piece) const {
    T* to = out[piece.tensor].template as<T>();
    const T* of_x = x[piece.tensor].template as<const T>();
    [[maybe_unused]] const T* of_y = inputs == 2 ? y[piece.tensor].template as<const T>() : nullptr;
    for_vectors(piece, [&](int64_t at, int n) {
      T a[kVector], b[kVector], result[kVector];
      load_raw(of_x + at, n, a);
      if constexpr (inputs == 2) load_raw(of_y + at, n, b);
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        if constexpr (inputs == 1)
          result[i] = f(a[i]);
        else
          result[i] = f(a[i], b[i]);
      }
      if constexpr (adds) {
        load_raw(to + at, n, a);
#pragma unroll
        for (int i = 0; i < kVector; ++i) result[i] += a[i];
      }
      store_raw(to + at, n, result);
    });
  }
  __device__ void operator()(const Piece& piece) const {
    if (out[piece.tensor].dtype == Dtype::kF64)
      run<double>(piece);
    else
      run<float>(piece);
  }
};

// out = f(x), or f(x, y): `lists` are out and the inputs, all f32 or f64. F is a struct of plain
// data with a __device__ operator() that is a template of the type. An output may be an input. With
// `adds` the result is added to out.
template <int inputs, bool adds = false, class F>
void for_elements(Stream& stream, const Lists& lists, const F& f) {
  for_pieces(stream, lists,
             ElementwisePiece<inputs, adds, F>{lists.of(0), lists.of(1),
                                               inputs == 2 ? lists.of(2) : nullptr, f});
}

}  // namespace orthokit::cuda
