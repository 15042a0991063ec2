#include "ops/optimizers/adagrad_norm.h"

#include "cpu/kernels/optimizers/shared/step.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

// Σg² of n elements from `at`, the l2 decay counted in.
template <class T>
double squares_of(const Step& step, int64_t tensor, int64_t at, int64_t size) {
  alignas(64) T weights[kBlock], grads[kBlock];
  double sum = 0;
  for (int64_t done = 0; done < size; done += kBlock) {
    const int64_t n = std::min(kBlock, size - done), from = at + done;
    const T* g = load(step.grads[tensor], from, n, grads);
    const T* w = step.l2() == 0 ? nullptr : load_weights(step, tensor, from, n, weights);
    sum += sum_of_squares(decayed_grads(step, g, w, n, grads), n);
  }
  return sum;
}

double squares_of(const Step& step, int64_t tensor, int64_t at, int64_t size) {
  return step.weights[tensor].dtype == Dtype::kF64 ? squares_of<double>(step, tensor, at, size)
                                                   : squares_of<float>(step, tensor, at, size);
}

int64_t columns_of(const View& w) { return w.rank == 1 ? 1 : matrices(w).columns; }

void accumulate_rows(const AdagradNorm& op, Stream& stream) {
  for (int64_t t = 0; t < op.squares.count; ++t) {
    const int64_t columns = columns_of(op.step.weights[t]);
    double* squares = op.squares[t].as<double>();
    for_rows(stream, op.squares[t].size(), columns, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        squares[r] += squares_of(op.step, t, r * columns, columns);
    });
  }
}

void accumulate_tensors(const AdagradNorm& op, Stream& stream) {
  const Chunks chunks(op.step.weights, stream);
  auto* partial = stream.scratch<double>(chunks.count());
  chunks.run(
      [&](const Chunk& c) { partial[c.index] = squares_of(op.step, c.tensor, c.begin, c.size); });
  double all = 0;
  chunks.reduce(partial, [&](int64_t t, double sum) {
    all += sum;
    if (op.scope == NormScope::kTensor) *op.squares[t].as<double>() += sum;
  });
  if (op.scope == NormScope::kTensor || op.squares.count == 0) return;
  all += *op.squares[0].as<double>();
  for (auto& s : op.squares) *s.as<double>() = all;
}

}  // namespace

void adagrad_norm(const AdagradNorm& op, Stream& stream) {
  if (is_held(op.step.guard)) return;
  double* rates = count_steps(op.steps, stream);
  for (int64_t t = 0; t < op.steps.count; ++t)
    rates[t] = math::decaying_rate(op.step.lr, op.lr_decay, rates[t]);
  const auto inverse = [&](double square) {
    return square == 0 ? 0 : 1 / (std::sqrt(square) + op.eps);
  };
  if (op.scope != NormScope::kRows) {
    accumulate_tensors(op, stream);
    run_plain_step(op.step, rates, stream, [&]<class T>(const Block<T>& b) {
      const View& square = op.squares[op.scope == NormScope::kGlobal ? 0 : b.tensor];
      const T factor = finite_factor<T>(inverse(*square.template as<double>()));
      for (int64_t i = 0; i < b.size; ++i) b.update[i] = factor * b.grads[i];
    });
    return;
  }
  accumulate_rows(op, stream);
  run_plain_step(op.step, rates, stream, [&]<class T>(const Block<T>& b) {
    const double* squares = op.squares[b.tensor].template as<double>();
    const int64_t columns = columns_of(op.step.weights[b.tensor]);
    for (int64_t i = 0; i < b.size;) {
      const int64_t row = (b.begin + i) / columns,
                    end = std::min(b.size, (row + 1) * columns - b.begin);
      for (const T factor = finite_factor<T>(inverse(squares[row])); i < end; ++i)
        b.update[i] = factor * b.grads[i];
    }
  });
}
ORTHOKIT_KERNEL(AdagradNorm, adagrad_norm);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
