#include "ops/transport/log_sweeps.h"

#include "cpu/kernels/transport/shared/transport.h"
#include "cpu/slots.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

template <class T>
class LogSweep {
 public:
  LogSweep(const LogSweeps& op, Stream& stream)
      : op_(op),
        stream_(stream),
        u_(in_units(stream, op.row_potential, inverse_)),
        w_(in_units(stream, op.column_potential, inverse_)),
        slots_(stream, 4 * m_),
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
    for (int64_t i = 0; i < n_; ++i) op_.row_potential.as<double>()[i] = u_[i] / inverse_;
    for (int64_t j = 0; j < m_; ++j) op_.column_potential.as<double>()[j] = w_[j] / inverse_;
    double error = 0;
    for (int64_t block = 0; block < vector_blocks(m_); ++block) error += errors_[block];
    *op_.statistics.as<double>() = error;
  }

 private:
  void rows_of(int64_t p, bool stores) {
    std::fill_n(partial_ + p * m_, m_, 0.0);
    slots_.borrow([&](double* exps) {
      const int64_t last = panels_.end(p);
      int64_t i = panels_.begin(p);
      for (; i + 4 <= last; i += 4) rows_of<4>(i, exps, partial_ + p * m_, stores);
      for (; i < last; ++i) rows_of<1>(i, exps, partial_ + p * m_, stores);
    });
  }

  // The potentials of rows that follow each other, and what these rows then add to the columns'
  // sums: their exponentials serve both.
  template <int kRows>
  void rows_of(int64_t first, double* exps, double* sums, bool stores) {
    const T* cost = op_.cost.as<T>();
    constexpr int kTogether = std::min(kRows, 2);
    double scales[kRows];
    for (int k = 0; k < kRows; k += kTogether)
      exps_of_rows<kTogether>(cost + (first + k) * m_, w_, u_ + first + k, inverse_, m_,
                              exps + k * m_, scales + k);
    for (int k = 0; k < kRows; ++k) scales[k] = update_row(first + k, scales[k], exps + k * m_);
    add_rows<kRows>(exps, rows_after(cost, panels_, first, kRows), scales, m_, sums);
    if (!stores) return;
    for (int k = 0; k < kRows; ++k)
      for (int64_t j = 0; j < m_; ++j)
        op_.kernel.as<T>()[(first + k) * m_ + j] = T(scales[k] * exps[k * m_ + j]);
  }

  // The factor of the row's exponentials, which are by the potential so far and add up to `total`;
  // they become 0 if the row gets no potential.
  double update_row(int64_t i, double total, double* exps) {
    if (r_[i] == 0) {
      u_[i] = -kInfinite;
    } else {
      double most = 0;
      if (!is_moderate(total)) {
        most = most_of_row(i);
        if (std::isfinite(most)) {
          u_[i] = -most;
          exps_of_rows<1>(op_.cost.as<T>() + i * m_, w_, u_ + i, inverse_, m_, exps, &total);
        }
      }
      if (std::isfinite(most)) {
        u_[i] += std::log2(r_[i]) - std::log2(total);
        return r_[i] / total;
      }
    }
    std::fill_n(exps, m_, 0.0);
    return 0;
  }
  double most_of_row(int64_t i) const {
    const T* cost = op_.cost.as<T>() + i * m_;
    const Eight by = Eight{} - inverse_;
    Eight most = Eight{} - kInfinite;
    for_eights(m_, [&](int64_t j, auto count) {
      Eight c, x;
      load_some(cost + j, count, kInfinite, c), load_some(w_ + j, count, -kInfinite, x);
      multiply_add(c, by, x, x);
      greater_of(x, most, most);
    });
    return largest_of(most);
  }

  void update_column(int64_t j, bool stores) {
    double* scale = stores ? op_.column_scale.as<double>() + j : nullptr;
    if (scale) *scale = c_[j] == 0 ? 0 : 1;
    if (c_[j] == 0) {
      w_[j] = -kInfinite;
    } else if (scale && sums_[j] >= least_sum_of(op_.cost.dtype) * c_[j]) {
      *scale = c_[j] / sums_[j];
    } else if (!scale && sums_[j] >= kLeastSum) {
      w_[j] += std::log2(c_[j] / sums_[j]);
    } else if (const double next =
                   column_potential(op_.cost.as<T>() + j, m_, u_, n_, inverse_, c_[j]);
               !std::isnan(next)) {
      w_[j] = next;
    }
    // Columns that have moved far are computed anew.
    if (scale && (c_[j] == 0 || !(sums_[j] >= least_sum_of(op_.cost.dtype) * c_[j])))
      for (int64_t i = 0; i < n_; ++i)
        op_.kernel.as<T>()[i * m_ + j] = T(exp_of(
            (u_[i] + w_[j] - double(op_.cost.as<T>()[i * m_ + j]) * inverse_) * std::numbers::ln2));
  }

  const LogSweeps& op_;
  Stream& stream_;
  const int64_t n_ = op_.cost.shape[0], m_ = op_.cost.shape[1];
  const double inverse_ = units_of(op_.eps);
  const double *r_ = op_.row_mass.as<double>(), *c_ = op_.column_mass.as<double>();
  const TransportPanels panels_{n_, m_};
  double *u_, *w_;  // potentials
  const Slots slots_;
  double *partial_, *sums_, *errors_;
};

void log_sweeps(const LogSweeps& op, Stream& stream) {
  visit(op.cost.dtype, [&]<class T>() { LogSweep<T>(op, stream).run(); });
}
ORTHOKIT_KERNEL(LogSweeps, log_sweeps);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
