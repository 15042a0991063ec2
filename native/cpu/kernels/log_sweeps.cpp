#include "ops/log_sweeps.h"

#include "cpu/transport.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
class LogSweep {
 public:
  LogSweep(const LogSweeps& op, Stream& stream)
      : op_(op),
        stream_(stream),
        u_(in_units(stream, op.row_potential, inverse_)),
        w_(in_units(stream, op.column_potential, inverse_)),
        exps_(stream.scratch<double>(panels_.count() * m_)),
        partial_(stream.scratch<double>(panels_.count() * m_)),
        sums_(stream.scratch<double>(m_)),
        errors_(stream.scratch<double>(vector_blocks(m_))) {}

  void run() {
    for (int64_t sweep = 1; sweep <= op_.count; ++sweep) {
      const bool stores = op_.kernel && sweep == op_.count;
      stream_.parallel(panels_.count(), [&](int64_t p) { rows_of(p, stores); });
      for_blocks(stream_, m_, [&](int64_t block, int64_t first, int64_t last) {
        add_panels(panels_.count(), m_, partial_, first, last, sums_);
        errors_[block] = sum_of(
            last - first, [&](int64_t k) { return std::abs(sums_[first + k] - c_[first + k]); });
        for (int64_t j = first; j < last; ++j) update_column(j, stores);
      });
    }
    for (int64_t i = 0; i < n_; ++i) op_.row_potential.as<double>()[i] = op_.eps * u_[i];
    for (int64_t j = 0; j < m_; ++j) op_.column_potential.as<double>()[j] = op_.eps * w_[j];
    double error = 0;
    for (int64_t block = 0; block < vector_blocks(m_); ++block) error += errors_[block];
    *op_.statistics.as<double>() = error;
  }

 private:
  void rows_of(int64_t p, bool stores) {
    std::fill_n(partial_ + p * m_, m_, 0.0);
    for (int64_t i = panels_.begin(p); i < panels_.end(p); ++i) {
      T* kernel = stores ? op_.kernel.as<T>() + i * m_ : nullptr;
      if (!update_row(i, exps_ + p * m_, partial_ + p * m_, kernel) && stores)
        std::fill_n(kernel, m_, T(0));
    }
  }

  // The row's potential, and what the row then adds to the columns' sums: its exponentials serve both.
  // False for a row without a potential.
  bool update_row(int64_t i, double* exps, double* sums, T* kernel) {
    if (r_[i] == 0) {
      u_[i] = -kInfinite;
      return false;
    }
    const T* cost = op_.cost.as<T>() + i * m_;
    const Eight by = Eight{} - inverse_;
    Eight most = Eight{} - kInfinite;
    for_eights(m_, [&](int64_t j, auto count) {
      Eight c, x;
      load_some(cost + j, count, kInfinite, c), load_some(w_ + j, count, -kInfinite, x);
      multiply_add(c, by, x, x);
      raise_to(x, most);
      store_some(x, count, exps + j);
    });
    const double max = largest_of(most);
    if (!std::isfinite(max)) return false;
    const Eight shift = Eight{} - max;
    Eight sum{};
    for_eights(m_, [&](int64_t j, auto count) {
      Eight x;
      load_some(exps + j, count, -kInfinite, x);
      x += shift;
      exp_of_eight(x, x);
      sum += x;
      store_some(x, count, exps + j);
    });
    const double total = total_of(sum);
    const Eight scale = Eight{} + r_[i] / total;
    u_[i] = std::log(r_[i]) - max - std::log(total);
    for_eights(m_, [&](int64_t j, auto count) {
      Eight x, to;
      load_some(exps + j, count, 0, x), load_some(sums + j, count, 0, to);
      x *= scale, to += x;
      store_some(to, count, sums + j);
      if (kernel) store_some(x, count, kernel + j);
    });
    return true;
  }

  void update_column(int64_t j, bool stores) {
    double* scale = stores ? op_.column_scale.as<double>() + j : nullptr;
    if (scale) *scale = c_[j] == 0 ? 0 : 1;
    if (c_[j] == 0) {
      w_[j] = -kInfinite;
    } else if (scale && sums_[j] >= least_sum_of(op_.cost.dtype) * c_[j]) {
      *scale = c_[j] / sums_[j];
    } else if (!scale && sums_[j] >= kLeastSum) {
      w_[j] += std::log(c_[j] / sums_[j]);
    } else if (const double log = log_sum_of(j); std::isfinite(log)) {
      w_[j] = std::log(c_[j]) - log;
    }
    // What has moved far is computed anew.
    if (scale && (c_[j] == 0 || !(sums_[j] >= least_sum_of(op_.cost.dtype) * c_[j])))
      for (int64_t i = 0; i < n_; ++i)
        op_.kernel.as<T>()[i * m_ + j] =
            T(exp_of(u_[i] + w_[j] - double(op_.cost.as<T>()[i * m_ + j]) * inverse_));
  }

  // ln Σᵢ exp(uᵢ − costᵢⱼ / eps) by its own maximum.
  double log_sum_of(int64_t j) const {
    const T* cost = op_.cost.as<T>() + j;
    double max = -kInfinite, sum = 0;
    for (int64_t i = 0; i < n_; ++i) max = std::max(max, u_[i] - double(cost[i * m_]) * inverse_);
    if (!std::isfinite(max)) return max;
    for (int64_t i = 0; i < n_; ++i)
      sum += exp_of_negative(u_[i] - double(cost[i * m_]) * inverse_ - max);
    return max + std::log(sum);
  }

  const LogSweeps& op_;
  Stream& stream_;
  const int64_t n_ = op_.cost.shape[0], m_ = op_.cost.shape[1];
  const double inverse_ = 1 / op_.eps;
  const double *r_ = op_.row_mass.as<double>(), *c_ = op_.column_mass.as<double>();
  const TransportPanels panels_{n_, m_};
  double *u_, *w_, *exps_, *partial_, *sums_, *errors_;
};

void log_sweeps(const LogSweeps& op, Stream& stream) {
  visit(op.cost.dtype, [&]<class T>() { LogSweep<T>(op, stream).run(); });
}
ORTHOKIT_KERNEL(LogSweeps, log_sweeps);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
