#include "ops/optimizers/normalized_update.h"

#include "cpu/kernels/optimizers/shared/step.h"
#include "math/normalized.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

// Brings the moments of one matrix up to date, and finds what its rows are multiplied by.
void find_factors(const NormalizedUpdate& op, int64_t tensor, int64_t matrix, double* factors) {
  const RowMoments all = row_moments(op.step.weights[tensor], op.axis);
  const int64_t at = matrix * all.length;
  const double* squares = op.squares[tensor].as<double>() + at;
  const View& moments = op.second_moments[tensor];
  const int32_t* const places = op.places_of(tensor);
  // A row without elements has a mean of 0.
  const double fresh = (1 - op.beta2) / double(std::max<int64_t>(all.elements, 1));
  double before = 0, after = 0;
  for (int64_t done = 0; done < all.length; done += kBlock) {
    double v[kBlock];
    const int64_t n = std::min(kBlock, all.length - done);
    const double* old = load(moments, at + done, n, v);
    for (int64_t i = 0; i < n; ++i) {
      if (places && places[at + done + i] < 0) {
        v[i] = old[i], factors[done + i] = 0;
        continue;
      }
      const double square = squares[done + i];
      v[i] = op.beta2 * old[i] + fresh * square;
      const double factor = math::row_step(v[i], op.eps, op.floors_moment());
      before += square, after += square * factor * factor;
      factors[done + i] = factor;
    }
    if (moments.dtype == Dtype::kF64)
      std::copy_n(v, n, moments.as<double>() + at + done);
    else
      store(moments, at + done, n, static_cast<const double*>(v));
  }
  const double target = op.variant == NorMuonVariant::kPaper
                            ? op.kPaperRms * std::sqrt(double(all.length * all.elements))
                            : std::sqrt(before);
  const double eps = op.variant == NorMuonVariant::kPaper ? 0 : op.eps;
  const double rescaled = math::rescale(target, std::sqrt(after), eps, op.floors_norm());
  // Rows without a place stay, even beside NaN and infinity.
  for (int64_t i = 0; i < all.length; ++i)
    if (!places || places[at + i] >= 0) factors[i] *= rescaled;
}

// update = u by the factors of its rows, or of its columns.
template <class T>
void normalize(const Block<T>& b, const RowMoments& all, const double* factors) {
  const int64_t columns = all.of_columns ? all.length : all.elements;
  for (int64_t i = 0; i < b.size;) {
    const int64_t row = (b.begin + i) / columns, left = b.begin + i - row * columns,
                  end = std::min(b.size, i + columns - left);
    if (!all.of_columns) {
      for (const T factor = finite_factor<T>(factors[row]); i < end; ++i)
        b.update[i] = factor * b.grads[i];
      continue;
    }
    const double* own = factors + row / all.elements * columns + left;
    for (const int64_t from = i; i < end; ++i)
      b.update[i] = finite_factor<T>(own[i - from]) * b.grads[i];
  }
}

}  // namespace

void normalized_update(const NormalizedUpdate& op, Stream& stream) {
  if (is_held(op.step.guard)) return;
  struct Matrix {
    int64_t tensor, index;
    double* factors;
  };
  const int64_t count = op.step.weights.count;
  auto** factors = stream.scratch<double*>(count);
  int64_t matrices = 0;
  for (int64_t t = 0; t < count; ++t) matrices += row_moments(op.step.weights[t], op.axis).batch;
  auto* list = stream.scratch<Matrix>(matrices);
  for (int64_t t = 0; t < count; ++t) {
    const RowMoments all = row_moments(op.step.weights[t], op.axis);
    factors[t] = stream.scratch<double>(all.count());
    for (int64_t i = 0; i < all.batch; ++i) *list++ = {t, i, factors[t] + i * all.length};
  }
  list -= matrices;
  stream.parallel(matrices, [&](int64_t i) {
    find_factors(op, list[i].tensor, list[i].index, list[i].factors);
  });
  double* rates = same_rates(op.step, stream);
  for (int64_t t = 0; t < count; ++t) rates[t] *= op.scale(t);
  run_plain_step(op.step, rates, stream, [&]<class T>(const Block<T>& b) {
    normalize(b, row_moments(op.step.weights[b.tensor], op.axis), factors[b.tensor]);
  });
}
ORTHOKIT_KERNEL(NormalizedUpdate, normalized_update);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
