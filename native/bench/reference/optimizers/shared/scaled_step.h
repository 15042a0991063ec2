// The cosh-scaled step of AuON (arXiv 2509.24320, section 3.1), for a vector u that is given.
#pragma once
#include <algorithm>

#include "bench/reference/optimizers/shared/step.h"
#include "ops/optimizers/auon.h"

namespace orthokit::bench {

inline void scaled_step(const Step& step, int64_t t, const Vector& u, AuonVariant variant,
                        double gamma, double eps) {
  const View& w = step.weights[t];
  const Matrices shape = matrices(w);
  const size_t parts = variant == AuonVariant::kHead ? 1 : size_t(shape.batch),
               size = parts ? u.size() / parts : 0;
  const double rows = double(shape.rows), columns = double(shape.columns);
  const double scale = w.rank < 2 ? 1 : std::sqrt(std::max(1.0, rows / columns));
  const double longer = w.rank < 2 ? double(w.size()) : std::max(rows, columns);
  double update = 0, worst = 0;
  for (size_t p = 0; p < parts; ++p) {
    const Vector part(u.begin() + int64_t(p * size), u.begin() + int64_t((p + 1) * size));
    const double norm = norm_of(part.data(), int64_t(size)), rms = norm / std::sqrt(double(size));
    const double unit = variant == AuonVariant::kRms ? rms : norm + eps;
    long double sum = 0;
    for (double x : part) sum += std::pow(std::sinh(gamma * x / unit), 2);
    const double mean = double(sum / static_cast<long double>(size));
    const double r = std::sqrt(1 + mean);  // mean cosh² = 1 + mean sinh²
    double rate = 0;
    if (variant == AuonVariant::kPaper) rate = step.lr * scale / unit / (r + 1e-8);
    if (variant == AuonVariant::kHead) rate = step.lr / (r + 1e-8);
    if (variant == AuonVariant::kRms) rate = step.lr * scale / (rms * std::sqrt(longer) * r);
    update += apply(step, t, part, norm == 0 ? 0 : rate, p * size);
    const double brake = norm == 0 ? 0 : mean / (1 + r);
    worst = std::isnan(brake) ? brake : std::max(worst, brake);  // a NaN stays
  }
  note(step, t, update, worst);
}

}  // namespace orthokit::bench
