// Products of cuBLAS, by OpenBLAS on the memory of the emulated device. Column-major, like both.
#pragma once
#include "cublas_types.h"

namespace cudaemu::blas {

struct Matrix {
  const void* data;
  int type, stride;  // between columns
};

struct Product {  // c = alpha op(a) op(b) + beta c
  bool transpose_a, transpose_b;
  int m, n, k;
  Matrix a, b;
  void* c;
  int c_type, c_stride;
  int compute;
  double alpha, beta;
};
void multiply(const Product&);

bool readable(const Matrix&, int rows, int columns, const char* what);
bool writable(void* data, int type, int stride, int rows, int columns, const char* what);

}  // namespace cudaemu::blas
