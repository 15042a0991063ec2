#include "ops/optimizers/step_along.h"

#include <algorithm>
#include <optional>

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

// A sum of arrays, block by block, and its squares where they are asked for.
template <class T>
class BlockSum {
 public:
  // A sum that streams past the caches is none of the arrays.
  BlockSum(T* out, bool streams, Squares* squares)
      : out_(out), squares_(squares), streams_(streams) {}

  // The next n numbers, and where they still lie in the first cache.
  const T* add(int64_t terms, const T* const* x, const T* factors, int64_t n) {
    T* to = streams_ ? block_ : out_;
    add_terms(terms, x, factors, to, n, false);
    if (squares_) add_squares(static_cast<const T*>(to), n, *squares_);
    if (streams_) stream_copy(out_, block_, n * int64_t(sizeof(T)));
    out_ += n;
    return to;
  }

 private:
  alignas(kLine) T block_[kBlock];
  T* out_;
  Squares* squares_;
  bool streams_;
};

// out = base + factor · u of a chunk, block by block.
template <class T>
class Move {
 public:
  Move(const StepAlong& op, double factor, const Chunk& c, bool streams, Squares* squares)
      : base_(op.base[c.tensor].as<T>() + c.begin),
        factors_{1, finite_factor<T>(factor)},
        sum_(op.out[c.tensor].as<T>() + c.begin, streams, squares) {}

  // The next n numbers, by those of u.
  void add(const T* u, int64_t n) {
    const T* x[] = {base_, u};
    sum_.add(2, x, factors_, n);
    base_ += n;
  }

 private:
  const T* base_;
  T factors_[2];
  BlockSum<T> sum_;
};

// Sums of squares of a chunk: of u and of out, which may be null, and of the last terms.
struct Measures {
  Squares *u, *out, *terms;
};

// True of a view that is large and none of the terms: stores of the chunk pass the caches by.
template <class T>
bool streams_past(const View& view, const Chunk& c, const T* const* terms, int64_t count) {
  const T* to = view.as<T>() + c.begin;
  return streams_to(view, to) && std::find(terms, terms + count, to) == terms + count;
}

// u, its squares, and those of the last terms; with a factor it moves base by each block of u that
// has just been made.
template <class T>
void sum_chunk(const StepAlong& op, const double* coefficients, const double* factor,
               const Chunk& c, const Measures& to) {
  const int64_t terms = op.coefficients.count, first = terms - op.told();
  T factors[kMostTerms];
  const T* x[kMostTerms];
  for (int64_t j = 0; j < terms; ++j) {
    factors[j] = T(coefficients[j]);
    x[j] = op.terms[j * op.out.count + c.tensor].as<T>() + c.begin;
  }
  const View &u = op.target()[c.tensor], &out = op.out[c.tensor];
  BlockSum<T> sum(u.as<T>() + c.begin, streams_past(u, c, x, terms), to.u);
  std::optional<Move<T>> move;
  if (factor) {
    const T* base = op.base[c.tensor].as<T>() + c.begin;
    const bool streams = streams_past(out, c, x, terms) && base != out.as<T>() + c.begin;
    move.emplace(op, *factor, c, streams, to.out);
  }
  for (int64_t done = 0; done < c.size; done += kBlock) {
    const int64_t n = std::min(kBlock, c.size - done);
    for (int64_t j = first; j < terms; ++j) add_squares(x[j], n, to.terms[j - first]);
    const T* made = sum.add(terms, x, factors, n);
    if (move) move->add(made, n);
    for (int64_t j = 0; j < terms; ++j) x[j] += n;
  }
}

// out = base + factor · u, of a u that is made.
template <class T>
void move_chunk(const StepAlong& op, double factor, const Chunk& c, Squares* squares) {
  const View& out = op.out[c.tensor];
  const T *base = op.base[c.tensor].as<T>() + c.begin, *u = op.sum[c.tensor].as<T>() + c.begin;
  Move<T> move(op, factor, c, streams_to(out, out.as<T>() + c.begin, base, u), squares);
  for (int64_t done = 0; done < c.size; done += kBlock)
    move.add(u + done, std::min(kBlock, c.size - done));
}

}  // namespace

void step_along(const StepAlong& op, Stream& stream) {
  // Squares of a chunk: of u, of out, of the last terms.
  const int64_t told = op.told(), width = 2 + told;
  auto* coefficients = stream.scratch<double>(op.coefficients.count);
  for (int64_t j = 0; j < op.coefficients.count; ++j)
    coefficients[j] = value_of(op.coefficients[j]);
  const bool is_at_once = op.moves() && op.by == StepLength::kPlain;
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
    const Measures to = {is_measured ? squares : nullptr,
                         is_at_once && op.out_length ? squares + 1 : nullptr, squares + 2};
    visit(op.out[c.tensor].dtype, [&]<class T>() {
      sum_chunk<T>(op, coefficients, is_at_once ? &op.amount : nullptr, c, to);
    });
  });
  const double length = is_measured ? length_at(0) : 0;
  if (op.length) *op.length.as<double>() = length;
  for (int64_t j = 0; j < told; ++j) op.term_lengths.as<double>()[j] = length_at(2 + j);
  if (op.moves() && !is_at_once) {
    const double factor = op.factor(length);
    chunks.run([&](const Chunk& c) {
      Squares* squares = op.out_length ? partial + width * c.index + 1 : nullptr;
      visit(op.out[c.tensor].dtype, [&]<class T>() { move_chunk<T>(op, factor, c, squares); });
    });
  }
  if (op.out_length) *op.out_length.as<double>() = op.moves() ? length_at(1) : length;
}
ORTHOKIT_KERNEL(StepAlong, step_along);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
