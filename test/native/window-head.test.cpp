#include <doctest/doctest.h>

#include <vector>

#include "cpu/kernels/sequence/shared/window_arithmetic.h"
#include "cpu/kernels/sequence/shared/window_head.h"

namespace {

using namespace orthokit;
using Plain = cpu::WindowArithmetic<double>;

struct Counts {
  int64_t products = 0, sums = 0, powers = 0;
};
Counts counts;

// The arithmetic of the kernel, counted.
struct Counting {
  static double dot(const double* a, const double* b, int64_t n) {
    counts.products += n, counts.sums += n - 1;
    return Plain::dot(a, b, n);
  }
  static void powers(double* x, double offset, int64_t n) {
    counts.powers += n, counts.sums += n;
    Plain::powers(x, offset, n);
  }
  static double power(double x) {
    counts.powers += 1;
    return Plain::power(x);
  }
  static void add(double factor, const double* x, double* out, int64_t n) {
    counts.products += n, counts.sums += n;
    Plain::add(factor, x, out, n);
  }
  static void scale(double factor, const double* x, double* out, int64_t n, int64_t stride = 1) {
    counts.products += n;
    Plain::scale(factor, x, out, n, stride);
  }
  static double total(const double* x, int64_t n) {
    counts.sums += n - 1;
    return Plain::total(x, n);
  }
  static double plus(double a, double b) {
    counts.sums += 1;
    return a + b;
  }
  static double inverse(double x) {
    counts.products += 1;
    return Plain::inverse(x);
  }
};

View view(double* data, std::initializer_list<int64_t> shape) {
  View v;
  v.data = data, v.dtype = Dtype::kF64, v.rank = int(shape.size());
  std::copy(shape.begin(), shape.end(), v.shape);
  return v;
}

}  // namespace

// The published figures are for n places of d elements: 7nd + 2n − 3d products, 6nd + 3n − 6d − 3
// sums and 3n − 2 exponentials a step; a window that is summed anew takes n times as many.
TEST_CASE("a step of a full window counts no more operations than published") {
  const int64_t n = 64, d = 64;
  std::vector<double> q(d), k(d), v(d), queries(n * d), keys(n * d), values(n * d),
      sums(n * (d + RetroactiveAttention::kNumbers)), out(n * d), scratch(4096);
  RetroactiveAttention op;
  op.q = view(q.data(), {1, d}), op.k = view(k.data(), {1, d}), op.v = view(v.data(), {1, d});
  op.queries = view(queries.data(), {1, 1, n, d}), op.keys = view(keys.data(), {1, 1, n, d});
  op.values = view(values.data(), {1, 1, n, d});
  op.sums = view(sums.data(), {1, 1, n, d + RetroactiveAttention::kNumbers});
  op.out = view(out.data(), {1, d, n});
  const auto step = [&](int32_t position) {
    for (int64_t c = 0; c < d; ++c) {
      q[size_t(c)] = std::sin(double(position * d + c));
      k[size_t(c)] = std::cos(double(position * d + 3 * c));
      v[size_t(c)] = std::sin(double(position + c * c));
    }
    counts = {};
    cpu::Pieces pieces(scratch.data());
    return cpu::WindowHead<double, Counting>(op, MovingWindow(position, n), 0, pieces).run();
  };
  int32_t position = 0;
  while (position < 2 * n) step(position++);
  CHECK(step(position) == 1);  // the new row alone is summed
  CHECK(counts.powers == 3 * n - 2);
  CHECK(counts.products == 7 * n * d - 3 * d + n);
  CHECK(counts.products <= 7 * n * d + 2 * n - 3 * d);
  // A difference a score, and of each row's sum of weights, are counted here and not there.
  CHECK(counts.sums <= 6 * n * d + 3 * n - 6 * d - 3 + 2 * n + 4 * d);
  op.refresh = 1;
  CHECK(step(position + 1) == n);
  CHECK(counts.powers == n * n);
  CHECK(counts.products == 2 * n * n * d + n * d + n + d);
}
