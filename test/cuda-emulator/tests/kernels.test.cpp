// The building blocks of kernels against plain loops, in every order of threads and of streams.
#include <cmath>
#include <cstring>
#include <string>

#include "support.h"

namespace {

using Bytes = std::vector<unsigned char>;

template <class T>
std::vector<T> result(const Buffer<T>& buffer, Bytes& bytes) {
  const std::vector<T> values = buffer.read();
  const auto* first = reinterpret_cast<const unsigned char*>(values.data());
  bytes.insert(bytes.end(), first, first + values.size() * sizeof(T));
  return values;
}

template <class T>
T as(double v);
template <>
float as<float>(double v) {
  return float(v);
}
template <>
double as<double>(double v) {
  return v;
}
template <>
__half as<__half>(double v) {
  return __double2half(v);
}
template <>
__nv_bfloat16 as<__nv_bfloat16>(double v) {
  return __double2bfloat16(v);
}

double value(float v) { return v; }
double value(double v) { return v; }
double value(__half v) { return __half2float(v); }
double value(__nv_bfloat16 v) { return __bfloat162float(v); }

template <class T>
void row_statistics(int rows, int columns, int stride, Bytes& bytes) {
  const TestStream stream;
  std::vector<T> x;
  for (const float v : normal(size_t(rows * stride))) x.push_back(as<T>(v));
  const Buffer<T> device(x, stream);
  const Buffer<kernels::Wide<T>> squares(size_t(rows), stream), largest(size_t(rows), stream);
  CUDA(kernels::row_statistics<T>(device, rows, columns, stride, squares, largest, stream));
  const auto sums = result(squares, bytes), most = result(largest, bytes);
  const double tolerance = sizeof(kernels::Wide<T>) == 8 ? 1e-13 : 1e-5;
  for (int i = 0; i < rows; ++i) {
    double sum = 0, top = 0;
    for (int j = 0; j < columns; ++j) {
      const double v = value(x[size_t(i * stride + j)]);
      sum += v * v;
      top = std::max(top, std::fabs(v));
    }
    CHECK_LT(std::fabs(double(sums[size_t(i)]) - sum), tolerance * sum);
    CHECK_EQ(double(most[size_t(i)]), top);
  }
}

template <class T>
void copy_vectors(Bytes& bytes) {
  const TestStream stream;
  std::vector<T> x;
  for (const float v : normal(800)) x.push_back(as<T>(v));
  const Buffer<T> from(x, stream), to(x.size(), stream);
  CUDA(kernels::copy_vectors<T>(from, int(x.size()), to, stream));
  const std::vector<T> copy = result(to, bytes);
  CHECK_EQ(std::memcmp(copy.data(), x.data(), x.size() * sizeof(T)), 0);
}

void product(int m, int n, int k, Bytes& bytes) {
  const TestStream stream;
  const std::vector<float> a = normal(size_t(m * k)), b = normal(size_t(k * n), 8);
  const Buffer<float> da(a, stream), db(b, stream), dc(size_t(m * n), stream);
  CUDA(kernels::product(da, db, dc, m, n, k, stream));
  const std::vector<float> c = result(dc, bytes);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int q = 0; q < k; ++q) sum += double(a[size_t(i * k + q)]) * b[size_t(q * n + j)];
      REQUIRE_LT(std::fabs(c[size_t(i * n + j)] - sum), 1e-5 * std::sqrt(double(k)) * 10);
    }
}

template <class T>
void matrix_instruction(kernels::MatrixLoads loads, Bytes& bytes) {
  const TestStream stream;
  std::vector<T> a, b;
  for (const float v : normal(256)) a.push_back(as<T>(v));
  for (const float v : normal(128, 9)) b.push_back(as<T>(v));
  const Buffer<T> da(a, stream), db(b, stream);
  const Buffer<float> dc(128, stream);
  CUDA(kernels::matrix_instruction<T>(da, db, dc, loads, stream));
  const std::vector<float> c = result(dc, bytes);
  const bool by_rows = loads == kernels::MatrixLoads::kTransposed;
  for (size_t i = 0; i < 16; ++i)
    for (size_t j = 0; j < 8; ++j) {
      double sum = 0;
      for (size_t q = 0; q < 16; ++q)
        sum += value(a[i * 16 + q]) * value(b[by_rows ? q * 8 + j : j * 16 + q]);
      CHECK_LT(std::fabs(c[i * 8 + j] - sum), 1e-5);
    }
}

void largest(int n, Bytes& bytes) {
  const TestStream stream;
  std::vector<float> x = normal(size_t(n));
  x[size_t(n / 3)] = -50;
  x[size_t(n - 1)] = 50;  // a tie, which the lower index wins
  const Buffer<float> dx(x, stream), values(8, stream);
  const Buffer<int> indices(8, stream), index(1, stream);
  const Buffer<unsigned> ticket(std::vector<unsigned>{0}, stream);
  for (int repeat = 0; repeat < 2; ++repeat) {
    CUDA(kernels::largest(dx, n, values, indices, ticket, index, stream));
    CHECK_EQ(result(index, bytes)[0], n / 3);
  }
}

void normalize(int n, int blocks, Bytes& bytes) {
  const TestStream stream;
  std::vector<double> x;
  double sum = 0;
  for (const float v : normal(size_t(n))) {
    x.push_back(v);
    sum += double(v) * v;
  }
  const Buffer<double> dx(x, stream), partials(size_t(blocks), stream);
  CUDA(kernels::normalize(dx, n, partials, blocks, stream));
  const std::vector<double> unit = result(dx, bytes);
  for (size_t i = 0; i < unit.size(); ++i)
    REQUIRE_LT(std::fabs(unit[i] - x[i] / std::sqrt(sum)), 1e-15);
}

void warp_operations(Bytes& bytes) {
  const TestStream stream;
  const Buffer<double> shuffles(32 * kernels::kWarpRows, stream);
  const Buffer<int> votes(64, stream);
  CUDA(kernels::warp_operations(shuffles, votes, stream));
  const std::vector<double> s = result(shuffles, bytes);
  const std::vector<int> v = result(votes, bytes);
  for (int lane = 0; lane < 32; ++lane) {
    const auto row = [&](int i) { return s[size_t(i * 32 + lane)]; };
    CHECK_EQ(row(0), 0.1 * 5);
    CHECK_EQ(row(1), 0.1 * (lane / 8 * 8 + 3));
    CHECK_EQ(row(2), 0.1 * (lane < 3 ? lane : lane - 3));
    CHECK_EQ(row(3), 0.1 * (lane % 16 + 5 < 16 ? lane + 5 : lane));
    CHECK_EQ(row(4), 0.1 * (lane ^ 7));
    // An exchange with a later segment of 8 does not happen; one with an earlier does.
    CHECK_EQ(row(5), 0.1 * (lane & 8 ? lane - 8 : lane));
    CHECK_EQ(row(6), 0.1 * (lane < 16 ? 2 : lane ^ 1));
    CHECK_LT(std::fabs(row(7) - 49.6), 1e-13);
    CHECK_EQ(row(8), 0.1 * 31);
    CHECK_EQ(unsigned(v[size_t(lane)]), 0x49249249u);
    CHECK_EQ(v[size_t(32 + lane)], 2);
  }
}

void counts(Bytes& bytes) {
  const TestStream stream;
  const Buffer<int> barriers(192, stream);
  const Buffer<int> atomics(std::vector<int>{0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0}, stream);
  const Buffer<unsigned long long> wide(std::vector<unsigned long long>{5}, stream);
  CUDA(kernels::counts(barriers, atomics, wide, stream));
  for (const int b : result(barriers, bytes)) CHECK_EQ(b, 13 * 4 + 2);
  const std::vector<int> a = result(atomics, bytes);
  const std::vector<int> expected{3 * 2016, -384, 191, -191, 255, ~255, 7, 9, 192 % 100};
  for (size_t i = 0; i < expected.size(); ++i) CHECK_EQ(a[i], expected[i]);
  CHECK_EQ(result(wide, bytes)[0], 192 * (1ull << 40) + 5);
}

void conversions(Bytes& bytes) {
  const TestStream stream;
  const Buffer<float> halves(65536, stream), bfloats(65536, stream);
  CUDA(kernels::widen_all(halves, bfloats, stream));
  const std::vector<float> h = result(halves, bytes), b = result(bfloats, bytes);
  // Independent of the bit patterns: neighbours are one step apart, and a step doubles with the
  // exponent.
  CHECK_EQ(h[0x0001], 0x1p-24f);
  CHECK_EQ(h[0x03ff], 0x1p-14f - 0x1p-24f);
  CHECK_EQ(h[0x0400], 0x1p-14f);
  CHECK_EQ(h[0x3c00], 1.f);
  CHECK_EQ(h[0x3c01], 1.f + 0x1p-10f);
  CHECK_EQ(h[0x7bff], 65504.f);
  CHECK_EQ(h[0xfbff], -65504.f);
  CHECK_EQ(h[0x7c00], INFINITY);
  CHECK(std::isnan(h[0x7c01]));
  CHECK(std::signbit(h[0x8000]));
  CHECK_EQ(b[0x0001], 0x1p-133f);
  CHECK_EQ(b[0x3f80], 1.f);
  CHECK_EQ(b[0x3f81], 1.f + 0x1p-7f);
  CHECK_EQ(b[0xff80], -INFINITY);
  for (unsigned i = 1; i < 0x7c00; ++i) REQUIRE_LT(h[i - 1], h[i]);
  for (unsigned i = 1; i < 0x7f80; ++i) REQUIRE_LT(b[i - 1], b[i]);

  // Every number itself, and every middle between neighbours to the even one.
  std::vector<double> x;
  for (unsigned i = 0; i < 0x7bff; i += 37)
    for (const double v : {double(h[i]), (double(h[i]) + h[i + 1]) / 2}) x.push_back(v);
  const size_t of_halves = x.size();
  for (unsigned i = 0; i < 0x7f7f; i += 37)
    for (const double v : {double(b[i]), (double(b[i]) + b[i + 1]) / 2}) x.push_back(-v);
  const size_t regular = x.size();
  x.insert(x.end(), {65519.9, 65520, -1e30, 0x1p-26, NAN, 1.0 + 0x1p-8 + 0x1p-40});
  const int n = int(x.size());
  const Buffer<double> dx(x, stream);
  const Buffer<__half> narrow_halves(2 * x.size(), stream);
  const Buffer<__nv_bfloat16> narrow_bfloats(2 * x.size(), stream);
  CUDA(kernels::narrow_all(dx, n, narrow_halves, narrow_bfloats, stream));
  const auto nh = result(narrow_halves, bytes);
  const auto nb = result(narrow_bfloats, bytes);
  for (size_t from_double : {size_t(0), x.size()}) {
    size_t at = from_double;
    for (unsigned i = 0; i < 0x7bff; i += 37) {
      REQUIRE_EQ(nh[at++].bits, i);
      REQUIRE_EQ(nh[at++].bits, i + i % 2);
    }
    REQUIRE_EQ(at - from_double, of_halves);
    for (unsigned i = 0; i < 0x7f7f; i += 37) {
      REQUIRE_EQ(nb[at++].bits, (0x8000u | i));
      REQUIRE_EQ(nb[at++].bits, (0x8000u | (i + i % 2)));
    }
    CHECK_EQ(nh[from_double + regular].bits, 0x7bff);
    CHECK_EQ(nh[from_double + regular + 1].bits, 0x7c00);
    CHECK_EQ(nh[from_double + regular + 2].bits, 0xfc00);
    CHECK_EQ(nh[from_double + regular + 3].bits, 0);
    CHECK_EQ(nh[from_double + regular + 4].bits, 0x7fff);
    CHECK_EQ(nb[from_double + regular + 4].bits, 0x7fff);
  }
  // Rounded once: through float the tail would be lost, and the tie go to even.
  CHECK_EQ(nb[regular + 5].bits, 0x3f80);
  CHECK_EQ(nb[x.size() + regular + 5].bits, 0x3f81);
}

Bytes all_results() {
  Bytes bytes;
  const Clean clean;
  for (const int columns : {1, 31, 33, 597}) {
    row_statistics<float>(3, columns, columns, bytes);
    row_statistics<double>(2, columns, columns + 3, bytes);
    row_statistics<__half>(3, columns, (columns + 7) / 8 * 8, bytes);
    row_statistics<__nv_bfloat16>(3, columns, (columns + 7) / 8 * 8, bytes);
  }
  copy_vectors<float>(bytes);
  copy_vectors<double>(bytes);
  copy_vectors<__half>(bytes);
  copy_vectors<__nv_bfloat16>(bytes);
  product(1, 4, 4, bytes);
  product(65, 72, 36, bytes);
  for (const auto loads : {kernels::MatrixLoads::kWords, kernels::MatrixLoads::kRows,
                           kernels::MatrixLoads::kTransposed}) {
    matrix_instruction<__half>(loads, bytes);
    matrix_instruction<__nv_bfloat16>(loads, bytes);
  }
  largest(5, bytes);
  largest(4099, bytes);
  normalize(1, 1, bytes);
  normalize(4099, 5, bytes);
  warp_operations(bytes);
  counts(bytes);
  return bytes;
}

}  // namespace

TEST_CASE("kernels agree with loops and have the same bits in every order") {
  Bytes first;
  for (const std::string order : {"forward", "reverse", "random"})
    for (const std::string streams : {"eager", "deferred", "random"}) {
      INFO(order << " threads, " << streams << " streams");
      REQUIRE_EQ(cudaemu_control(("order=" + order).c_str()), 0);
      REQUIRE_EQ(cudaemu_control(("streams=" + streams).c_str()), 0);
      REQUIRE_EQ(cudaemu_control(streams == "random" ? "seed=5" : "seed=1"), 0);
      const Bytes bytes = all_results();
      if (first.empty()) first = bytes;
      CHECK(bytes == first);
    }
  cudaemu_control("order=forward");
  cudaemu_control("streams=eager");
}

TEST_CASE("16-bit types convert as the hardware does") {
  Bytes bytes;
  const Clean clean;
  conversions(bytes);
}

TEST_CASE("a kernel that relies on the order of threads gives other bits in another order") {
  // The control of the first test: orders do differ.
  const Clean clean;
  const TestStream stream;
  std::vector<int> winners;
  for (const char* order : {"order=forward", "order=reverse"}) {
    REQUIRE_EQ(cudaemu_control(order), 0);
    const Buffer<int> first(std::vector<int>{-1}, stream);
    CUDA(kernels::first_thread(first, stream));
    winners.push_back(first.read()[0]);
  }
  cudaemu_control("order=forward");
  CHECK_NE(winners[0], winners[1]);
}
