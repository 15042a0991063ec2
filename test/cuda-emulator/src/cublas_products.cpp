#include "cublas_products.h"

#include <cblas.h>

#include <algorithm>
#include <vector>

#include "device_operands.h"

namespace cudaemu::blas {
namespace {

// Its columns side by side, as the compute type sees them.
std::vector<float> packed(const Matrix& m, int rows, int columns, int compute) {
  std::vector<float> values(size_t(rows) * size_t(columns));
  for (int j = 0; j < columns; ++j)
    for (int i = 0; i < rows; ++i)
      values[size_t(j) * size_t(rows) + size_t(i)] = rounded_input(
          float(load(m.data, m.type, size_t(j) * size_t(m.stride) + size_t(i))), m.type, compute);
  return values;
}

}  // namespace

bool readable(const Matrix& m, int rows, int columns, const char* what) {
  const size_t bytes = bytes_of(m.type), column = size_t(rows) * bytes;
  for (int j = 0; rows && j < columns; ++j)
    if (!cudaemu_check_read(static_cast<const char*>(m.data) + size_t(j) * size_t(m.stride) * bytes,
                            column, what))
      return false;
  return true;
}
bool writable(void* data, int type, int stride, int rows, int columns, const char* what) {
  const size_t bytes = bytes_of(type), column = size_t(rows) * bytes;
  for (int j = 0; rows && j < columns; ++j)
    if (!cudaemu_check_write(static_cast<char*>(data) + size_t(j) * size_t(stride) * bytes, column,
                             what))
      return false;
  return true;
}

void multiply(const Product& p) {
  const int a_rows = p.transpose_a ? p.k : p.m, a_columns = p.transpose_a ? p.m : p.k,
            b_rows = p.transpose_b ? p.n : p.k, b_columns = p.transpose_b ? p.k : p.n;
  const bool reads = p.alpha != 0 && p.k > 0;
  if (reads && (!readable(p.a, a_rows, a_columns, "operand A of a product") ||
                !readable(p.b, b_rows, b_columns, "operand B of a product")))
    return;
  if (p.beta != 0 && !readable({p.c, p.c_type, p.c_stride}, p.m, p.n, "operand C of a product"))
    return;
  if (!writable(p.c, p.c_type, p.c_stride, p.m, p.n, "result of a product")) return;
  const CBLAS_TRANSPOSE ta = p.transpose_a ? CblasTrans : CblasNoTrans,
                        tb = p.transpose_b ? CblasTrans : CblasNoTrans;
  if (p.a.type == kF64) {
    cblas_dgemm(CblasColMajor, ta, tb, p.m, p.n, p.k, p.alpha, static_cast<const double*>(p.a.data),
                p.a.stride, static_cast<const double*>(p.b.data), p.b.stride, p.beta,
                static_cast<double*>(p.c), p.c_stride);
    return;
  }
  std::vector<float> sums(size_t(p.m) * size_t(p.n), 0.f);
  if (reads && p.m && p.n) {
    const std::vector<float> a = packed(p.a, a_rows, a_columns, p.compute),
                             b = packed(p.b, b_rows, b_columns, p.compute);
    cblas_sgemm(CblasColMajor, ta, tb, p.m, p.n, p.k, 1.f, a.data(), a_rows, b.data(), b_rows, 0.f,
                sums.data(), p.m);
  }
  for (int j = 0; j < p.n; ++j)
    for (int i = 0; i < p.m; ++i) {
      const size_t at = size_t(j) * size_t(p.c_stride) + size_t(i);
      double value = p.alpha * sums[size_t(j) * size_t(p.m) + size_t(i)];
      if (p.beta != 0) value += p.beta * load(p.c, p.c_type, at);
      store(p.c, p.c_type, at, value);
    }
}

}  // namespace cudaemu::blas
