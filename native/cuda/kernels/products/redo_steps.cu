#include "cuda/convert.cuh"
#include "cuda/crew.cuh"
#include "cuda/device/fused.cuh"
#include "cuda/kernel.h"
#include "ops/products/redo_steps.h"

namespace orthokit::cuda {

// Rare work, so in plain loops: an element of a product by one thread.
template <class Stored, class T>
struct RedoMatrices {
  const Stored* x;
  Stored* out;
  const double* norms;
  double *count, most;
  int64_t batch, rows, columns;
  T *y, *next, *gram, *poly;
  int64_t steps;
  double coefficients[3 * RedoSteps::kMostSteps];

  template <class C>
  __device__ __forceinline__ bool is_finite(C& crew, const Stored* matrix) const {
    return crew.template reduce<Max, 1>(rows * columns,
                                        [&](int64_t i, double* mine) {
                                          const T v = convert<T>(matrix[i]);
                                          mine[0] = fmax(mine[0], v - v == T(0) ? 0.0 : 1.0);
                                        })
               .of[0] <= 0;
  }

  // to = from after a step.
  template <class C>
  __device__ __forceinline__ void step(C& crew, const double* p, const T* from, T* to) const {
    const bool wide = rows <= columns;
    const int64_t n = wide ? rows : columns, k = wide ? columns : rows;
    const int64_t apart = wide ? columns : 1, along = wide ? 1 : columns;
    crew.visit(n * n, [&](int64_t i) {
      const T *a = from + i / n * apart, *b = from + i % n * apart;
      T sum = 0;
      for (int64_t q = 0; q < k; ++q) sum = fused(a[q * along], b[q * along], sum);
      gram[i] = sum;
    });
    crew.barrier();
    crew.visit(n * n, [&](int64_t i) {
      const T *a = gram + i / n * n, *b = gram + i % n * n;
      T sum = 0;
      for (int64_t q = 0; q < n; ++q) sum = fused(a[q], b[q], sum);
      poly[i] = fused(T(p[1]), gram[i], T(p[2]) * sum) + (i / n == i % n ? T(p[0]) : T(0));
    });
    crew.barrier();
    crew.visit(n * k, [&](int64_t i) {
      const int64_t row = i / columns, column = i % columns;
      const T *a = wide ? poly + row * n : from + row * columns, *b = wide ? from : poly;
      T sum = 0;
      for (int64_t q = 0; q < n; ++q) sum = fused(a[q], b[q * columns + column], sum);
      to[i] = sum;
    });
    crew.barrier();
  }

  template <class C>
  __device__ void operator()(C& crew) const {
    const int64_t size = rows * columns;
    double redone = 0;
    for (int64_t matrix = 0; matrix < batch; ++matrix) {
      if (norms[matrix] <= most || !is_finite(crew, x + matrix * size)) continue;
      T *now = y, *then = next;
      crew.visit(size, [&](int64_t i) { now[i] = convert<T>(x[matrix * size + i]); });
      crew.barrier();
      for (int64_t s = 0; s < steps; ++s) {
        step(crew, coefficients + 3 * s, now, then);
        T* const other = now;
        now = then, then = other;
      }
      crew.visit(size, [&](int64_t i) { out[matrix * size + i] = convert<Stored>(now[i]); });
      redone += 1;
    }
    if (crew.is_first() && count) *count += redone;
  }
};

template <class Stored, class T>
static void redo(const RedoSteps& op, Stream& stream) {
  const Matrices s = matrices(op.x);
  const int64_t n = std::min(s.rows, s.columns), size = s.rows * s.columns;
  RedoMatrices<Stored, T> work{op.x.as<Stored>(),
                               op.out.as<Stored>(),
                               op.norms.as<double>(),
                               op.count ? op.count.as<double>() : nullptr,
                               op.most(),
                               s.batch,
                               s.rows,
                               s.columns,
                               stream.scratch<T>(size),
                               stream.scratch<T>(size),
                               stream.scratch<T>(n * n),
                               stream.scratch<T>(n * n),
                               op.coefficients.count / 3,
                               {}};
  for (int64_t i = 0; i < op.coefficients.count; ++i) work.coefficients[i] = op.coefficients[i];
  in_crew(stream, size, work);
}

static void redo_steps(const RedoSteps& op, Stream& stream) {
  if (op.x.size() == 0) return;
  if (op.x.dtype == Dtype::kF16 || op.x.dtype == Dtype::kBf16)
    return visit_half(op.x.dtype, [&]<class S>() { redo<S, float>(op, stream); });
  visit(op.x.dtype, [&]<class T>() { redo<T, T>(op, stream); });
}
ORTHOKIT_KERNEL(RedoSteps, redo_steps);

}  // namespace orthokit::cuda
