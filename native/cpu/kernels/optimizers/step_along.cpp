#include "ops/optimizers/step_along.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/factor.h"
#include "cpu/kernels/elementwise/shared/add_terms.h"
#include "cpu/streaming.h"
#include "cpu/sums.h"
#include "ops/shared/square_range.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

constexpr int kMostTerms = StepAlong::kMaxTerms;

// Σx², and the same of x times each scale of f64 whose squares leave its range.
struct Squares {
  double plain = 0, large = 0, small = 0;
  void add(const Squares& other) {
    plain += other.plain, large += other.large, small += other.small;
  }
  double length() const {
    const double scale = scale_for(plain);
    if (scale == 1) return std::sqrt(plain);
    return std::sqrt(scale == kScaleOfLarge ? large : small) / scale;
  }
};

template <class T>
double scaled_squares(const T* x, int64_t n, double scale) {
  return sum_of(n, [x, scale](int64_t i) {
    const double v = double(x[i]) * scale;
    return v * v;
  });
}

template <class T>
[[gnu::noinline]] void add_squares(const T* x, int64_t n, Squares& to) {
  const double plain = block_sum_of_squares(x, n);
  if (std::is_same_v<T, float> || scale_for(plain) == 1)
    to.add({plain, plain * kScaleOfLarge * kScaleOfLarge, plain * kScaleOfSmall * kScaleOfSmall});
  else
    to.add({plain, scaled_squares(x, n, kScaleOfLarge), scaled_squares(x, n, kScaleOfSmall)});
}

// A block of a sum, and its squares, which may be null.
template <class T>
void add_block(int64_t terms, const T* const* x, const T* factors, T* out, int64_t n, bool streams,
               Squares* squares) {
  alignas(kLine) T block[kBlock];
  T* to = streams ? block : out;
  add_terms(terms, x, factors, to, n, false);
  if (squares) add_squares(static_cast<const T*>(to), n, *squares);
  if (streams) stream_copy(out, block, n * int64_t(sizeof(T)));
}

// u, its squares, and those of the last terms behind them.
template <class T>
void sum_chunk(const StepAlong& op, const double* coefficients, bool is_measured, const Chunk& c,
               Squares* squares) {
  const int64_t terms = op.coefficients.count, first = terms - op.told();
  const View& view = op.target()[c.tensor];
  T* out = view.as<T>() + c.begin;
  T factors[kMostTerms];
  const T* x[kMostTerms];
  bool streams = streams_to(view, out);
  for (int64_t j = 0; j < terms; ++j) {
    factors[j] = T(coefficients[j]);
    x[j] = op.terms[j * op.out.count + c.tensor].as<T>() + c.begin;
    streams = streams && x[j] != out;
  }
  for (int64_t done = 0; done < c.size; done += kBlock) {
    const int64_t n = std::min(kBlock, c.size - done);
    for (int64_t j = first; j < terms; ++j) add_squares(x[j], n, squares[1 + j - first]);
    add_block(terms, x, factors, out + done, n, streams, is_measured ? squares : nullptr);
    for (int64_t j = 0; j < terms; ++j) x[j] += n;
  }
}

// out = base + factor · u
template <class T>
void move_chunk(const StepAlong& op, double factor, const Chunk& c, Squares* squares) {
  const View& view = op.out[c.tensor];
  T* out = view.as<T>() + c.begin;
  const T factors[] = {1, finite_factor<T>(factor)};
  const T* x[] = {op.base[c.tensor].as<T>() + c.begin, op.sum[c.tensor].as<T>() + c.begin};
  const bool streams = streams_to(view, out, x[0], x[1]);
  for (int64_t done = 0; done < c.size; done += kBlock) {
    const int64_t n = std::min(kBlock, c.size - done);
    add_block(2, x, factors, out + done, n, streams, squares);
    x[0] += n, x[1] += n;
  }
}

}  // namespace

void step_along(const StepAlong& op, Stream& stream) {
  const int64_t told = op.told(), width = told + 1;
  auto* coefficients = stream.scratch<double>(op.coefficients.count);
  for (int64_t j = 0; j < op.coefficients.count; ++j)
    coefficients[j] = value_of(op.coefficients[j]);
  const bool is_measured =
      op.length || op.by != StepLength::kPlain || (op.out_length && !op.moves());
  const Chunks chunks(op.out, stream);
  auto* partial = stream.scratch<Squares>(width * chunks.count());
  const auto length_at = [&](int64_t place) {
    Squares sum;
    for (int64_t i = 0; i < chunks.count(); ++i) sum.add(partial[width * i + place]);
    return sum.length();
  };
  chunks.run([&](const Chunk& c) {
    Squares* squares = partial + width * c.index;
    std::fill_n(squares, width, Squares());
    visit(op.out[c.tensor].dtype,
          [&]<class T>() { sum_chunk<T>(op, coefficients, is_measured, c, squares); });
  });
  const double length = is_measured ? length_at(0) : 0;
  if (op.length) *op.length.as<double>() = length;
  for (int64_t j = 0; j < told; ++j) op.term_lengths.as<double>()[j] = length_at(1 + j);
  if (!op.moves()) {
    if (op.out_length) *op.out_length.as<double>() = length;
    return;
  }
  const double factor = op.factor(length);
  chunks.run([&](const Chunk& c) {
    Squares& squares = partial[width * c.index];
    squares = Squares();
    visit(op.out[c.tensor].dtype,
          [&]<class T>() { move_chunk<T>(op, factor, c, op.out_length ? &squares : nullptr); });
  });
  if (op.out_length) *op.out_length.as<double>() = length_at(0);
}
ORTHOKIT_KERNEL(StepAlong, step_along);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
