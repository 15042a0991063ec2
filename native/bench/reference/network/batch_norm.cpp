#include "ops/network/batch_norm.h"

#include "bench/reference/shared/inner_product.h"

namespace orthokit::bench {

static void batch_norm(const BatchNorm& op) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  const auto move_on = [&](const View& running, int64_t j, double now) {
    if (running) values(running)[j] = (1 - op.momentum) * values(running)[j] + op.momentum * now;
  };
  for (int64_t j = 0; j < columns; ++j) {
    long double mean = 0, variance = 0;
    if (op.is_running()) {
      mean = values(op.mean)[j], variance = values(op.variance)[j];
    } else if (rows > 0) {
      for (int64_t i = 0; i < rows; ++i)
        mean += values(op.x)[i * columns + j] / static_cast<long double>(rows);
      for (int64_t i = 0; i < rows; ++i) {
        const long double distance = values(op.x)[i * columns + j] - mean;
        variance += distance * distance / static_cast<long double>(rows);
      }
      if (std::isnan(variance)) mean = variance;  // the column holds a NaN or an infinity
      move_on(op.mean, j, double(mean));
      move_on(op.variance, j, double(variance) * double(rows) / double(rows - 1));
    }
    const double inverse = double(1 / std::sqrt(variance + op.eps));
    if (op.moments) values(op.moments)[j] = double(mean), values(op.moments)[columns + j] = inverse;
    for (int64_t i = 0; i < rows; ++i)
      values(op.out)[i * columns + j] = double(values(op.x)[i * columns + j] - mean) * inverse *
                                            (op.weight ? values(op.weight)[j] : 1) +
                                        (op.bias ? values(op.bias)[j] : 0);
  }
}
ORTHOKIT_REFERENCE(BatchNorm, batch_norm, op.x.dtype == Dtype::kF64 ? 64 : 4);

// A mean is off as a sum of distances from it is, which cancel, and as these are; where few of them
// differ, both round to the same side again and again. A variance is off as a sum of as many
// squares. Of f32, sums are in f64.
static std::vector<double> terms_of(const BatchNorm& op, std::string_view tensor) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  if (op.is_running() || op.x.dtype != Dtype::kF64 || rows == 0) return {};
  std::vector<double> means, of_mean, of_variance, of_inverse, of_scale;
  const double sums = growth_of_sum(rows) / growth_of(op);
  for (int64_t j = 0; j < columns; ++j) {
    double mean = 0, sum = 0, sizes = 0, squares = 0, walked = 0, partial = 0;
    for (int64_t i = 0; i < rows; ++i) mean += values(op.x)[i * columns + j] / double(rows);
    for (int64_t i = 0; i < rows; ++i) {
      const double distance = values(op.x)[i * columns + j] - mean;
      sum += distance, sizes += std::abs(distance), squares += distance * distance;
      walked += sum * sum, partial += std::abs(sum);
    }
    const double off =
        product_growth(rows) * size_of_walk(sum, squares, walked, rows) + partial + sizes;
    of_mean.push_back(off / (growth_of(op) * double(rows)));
    const double inverse = 1 / std::sqrt(squares / double(rows) + op.eps);
    of_variance.push_back(op.momentum * squares / double(rows - 1) * sums);
    of_inverse.push_back(inverse * sums / 2);
    of_scale.push_back(inverse * std::abs(op.weight ? values(op.weight)[j] : 1));
    means.push_back(mean);
  }
  if (tensor == "mean") return of_mean;
  if (tensor == "variance") return of_variance;
  if (tensor == "moments") {
    of_mean.insert(of_mean.end(), of_inverse.begin(), of_inverse.end());
    return of_mean;
  }
  if (tensor != "out") return {};
  std::vector<double> all;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      const double distance = std::abs(values(op.x)[i * columns + j] - means[size_t(j)]);
      all.push_back((of_mean[size_t(j)] + distance * sums / 2) * of_scale[size_t(j)]);
    }
  return all;
}
ORTHOKIT_SOME_TERMS(BatchNorm, terms_of);

}  // namespace orthokit::bench
