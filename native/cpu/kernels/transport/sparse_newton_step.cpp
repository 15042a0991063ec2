#include "ops/transport/sparse_newton_step.h"

#include "cpu/kernels/transport/shared/transport.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

static constexpr int64_t kRowBlock = 256;  // rows, or columns, of a part

struct Sparse {  // in rows
  const int32_t *starts, *columns;
  const double* values;
  // Σ over the entries of row i of value · x.
  double dot(int64_t i, const double* x) const {
    double sums[4] = {};
    int32_t k = starts[i];
    for (; k + 4 <= starts[i + 1]; k += 4)
      for (int lane = 0; lane < 4; ++lane) sums[lane] += values[k + lane] * x[columns[k + lane]];
    for (; k < starts[i + 1]; ++k) sums[0] += values[k] * x[columns[k]];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }
};

class NewtonSystem {
 public:
  NewtonSystem(const SparseNewtonStep& op, Stream& stream)
      : op_(op), stream_(stream), n_(op.step.shape[0]), m_(op.column_mass.shape[0]) {}

  void run() {
    auto* statistics = op_.statistics.as<double>();
    if (!transpose()) {
      std::fill_n(op_.step.as<double>(), n_, std::numeric_limits<double>::quiet_NaN());
      std::fill_n(statistics, 4, std::numeric_limits<double>::quiet_NaN());
      if (op_.row_rhs)
        std::fill_n(op_.column_step.as<double>(), m_, std::numeric_limits<double>::quiet_NaN());
      return;
    }
    prepare();
    statistics[0] = double(solve());
    if (op_.row_rhs)
      finish_columns();
    else
      center();
    statistics[1] = gain();
    statistics[2] = 0;
    for (int64_t i = 0; i < n_; ++i)
      statistics[2] = std::max(statistics[2], std::abs(op_.step.as<double>()[i]));
    statistics[3] = double(rows_.starts[n_]);
  }

 private:
  // The entries in columns, each by ascending row; false if they are no matrix. Blocks of rows
  // count and then place their entries, so that the order is that of the rows.
  bool transpose() {
    rows_ = {op_.starts.as<int32_t>(), op_.columns.as<int32_t>(), op_.values.as<double>()};
    if (rows_.starts[0] != 0 || rows_.starts[n_] > op_.columns.shape[0]) return false;
    for (int64_t i = 0; i < n_; ++i)
      if (rows_.starts[i + 1] < rows_.starts[i]) return false;
    const int64_t blocks = (n_ + kRowBlock - 1) / kRowBlock, count = rows_.starts[n_];
    auto* places = stream_.scratch<int32_t>(blocks * m_);
    auto* good = stream_.scratch<uint8_t>(blocks);
    stream_.parallel(blocks, [&](int64_t b) {
      std::fill_n(places + b * m_, m_, 0);
      good[b] = 1;
      for (int32_t k = first(b); k < first(b + 1); ++k)
        if (rows_.columns[k] >= 0 && rows_.columns[k] < m_)
          ++places[b * m_ + rows_.columns[k]];
        else
          good[b] = 0;
    });
    if (std::find(good, good + blocks, 0) != good + blocks) return false;
    auto *starts = stream_.scratch<int32_t>(m_ + 1), *rows = stream_.scratch<int32_t>(count);
    auto* values = stream_.scratch<double>(count);
    int32_t at = 0;
    for (int64_t j = 0; j < m_; ++j) {
      starts[j] = at;
      for (int64_t b = 0; b < blocks; ++b) {
        const int32_t in_block = places[b * m_ + j];
        places[b * m_ + j] = at, at += in_block;
      }
    }
    starts[m_] = at;
    stream_.parallel(blocks, [&](int64_t b) {
      for (int64_t i = b * kRowBlock; i < std::min(n_, (b + 1) * kRowBlock); ++i)
        for (int32_t k = rows_.starts[i]; k < rows_.starts[i + 1]; ++k) {
          const int32_t place = places[b * m_ + rows_.columns[k]]++;
          rows[place] = int32_t(i), values[place] = rows_.values[k];
        }
    });
    columns_ = {starts, rows, values};
    return true;
  }
  int32_t first(int64_t block) const { return rows_.starts[std::min(n_, block * kRowBlock)]; }

  void prepare() {
    const auto *r = op_.row_mass.as<double>(), *s = op_.row_sums.as<double>(),
               *c = op_.column_mass.as<double>();
    diagonal_ = stream_.scratch<double>(n_), precondition_ = stream_.scratch<double>(n_);
    gradient_ = stream_.scratch<double>(n_), inverse_ = stream_.scratch<double>(m_);
    through_ = stream_.scratch<double>(m_), product_ = stream_.scratch<double>(n_);
    partial_ = stream_.scratch<double>((n_ + kRowBlock - 1) / kRowBlock);
    for (int64_t j = 0; j < m_; ++j) inverse_[j] = c[j] > 0 ? 1 / c[j] : 0;
    blockwise(n_, [&](int64_t, int64_t i) {
      diagonal_[i] = s[i] + op_.shift * std::max(s[i], r[i]);
      gradient_[i] = op_.row_rhs ? op_.row_rhs.as<double>()[i] : r[i] == 0 ? 0 : r[i] - s[i];
      double own = diagonal_[i];
      for (int32_t k = rows_.starts[i]; k < rows_.starts[i + 1]; ++k)
        own -= rows_.values[k] * rows_.values[k] * inverse_[rows_.columns[k]];
      // Rounding may leave nothing, or less, of a row that has one column to itself.
      if (!(own > 1e-10 * diagonal_[i])) own = diagonal_[i];
      precondition_[i] = own > 0 ? 1 / own : 0;
    });
    if (!op_.row_rhs) return;
    for (int64_t j = 0; j < m_; ++j) through_[j] = op_.column_rhs.as<double>()[j] * inverse_[j];
    blockwise(n_, [&](int64_t, int64_t i) { gradient_[i] -= rows_.dot(i, through_); });
  }

  // The columns' part, once the rows' is known.
  void finish_columns() {
    const double *rhs = op_.column_rhs.as<double>(), *x = op_.step.as<double>();
    double* out = op_.column_step.as<double>();
    blockwise(m_,
              [&](int64_t, int64_t j) { out[j] = (rhs[j] - columns_.dot(j, x)) * inverse_[j]; });
  }

  // product = diagonal ∘ x − P C⁻¹ Pᵀ x; returns x · product.
  double apply(const double* diagonal, const double* x) {
    blockwise(m_, [&](int64_t, int64_t j) { through_[j] = columns_.dot(j, x) * inverse_[j]; });
    std::fill_n(partial_, (n_ + kRowBlock - 1) / kRowBlock, 0.0);
    blockwise(n_, [&](int64_t block, int64_t i) {
      product_[i] = diagonal[i] * x[i] - rows_.dot(i, through_);
      partial_[block] += x[i] * product_[i];
    });
    double total = 0;
    for (int64_t b = 0; b < (n_ + kRowBlock - 1) / kRowBlock; ++b) total += partial_[b];
    return total;
  }
  // f(block, i); few entries are not worth waking other threads.
  template <class F>
  void blockwise(int64_t size, F&& f) {
    const int64_t blocks = (size + kRowBlock - 1) / kRowBlock;
    const auto body = [&](int64_t b) {
      for (int64_t i = b * kRowBlock; i < std::min(size, (b + 1) * kRowBlock); ++i) f(b, i);
    };
    if (rows_.starts[n_] >= 1 << 13) return stream_.parallel(blocks, body);
    for (int64_t b = 0; b < blocks; ++b) body(b);
  }

  int64_t solve() {
    double* x = op_.step.as<double>();
    auto *residual = stream_.scratch<double>(n_), *direction = stream_.scratch<double>(n_);
    const auto dot = [this](const double* a, const double* b) {
      return sum_of(n_, [=](int64_t i) { return a[i] * b[i]; });
    };
    std::fill_n(x, n_, 0.0), std::copy_n(gradient_, n_, residual);
    for (int64_t i = 0; i < n_; ++i) direction[i] = precondition_[i] * residual[i];
    double descent = dot(residual, direction);
    const double goal = op_.tol * op_.tol * dot(residual, residual);
    int64_t iteration = 0;
    while (iteration < op_.most && dot(residual, residual) > goal) {
      const double curvature = apply(diagonal_, direction);
      if (!(curvature > 0)) break;
      ++iteration;
      const double length = descent / curvature;
      for (int64_t i = 0; i < n_; ++i) {
        x[i] = fused(length, direction[i], x[i]);
        residual[i] = fused(-length, product_[i], residual[i]);
      }
      const double next =
          sum_of(n_, [&](int64_t i) { return residual[i] * residual[i] * precondition_[i]; });
      const double turn = next / descent;
      descent = next;
      for (int64_t i = 0; i < n_; ++i)
        direction[i] = fused(turn, direction[i], precondition_[i] * residual[i]);
    }
    return iteration;
  }

  void center() {
    double* x = op_.step.as<double>();
    const auto* r = op_.row_mass.as<double>();
    const auto has_mass = [r](int64_t i) { return r[i] == 0 ? 0.0 : 1.0; };
    const double count = sum_of(n_, has_mass);
    const double mean = sum_of(n_, [&](int64_t i) { return x[i] * has_mass(i); }) / count;
    for (int64_t i = 0; i < n_; ++i) x[i] = r[i] == 0 ? 0 : x[i] - mean;
  }

  double gain() {
    const double* x = op_.step.as<double>();
    const double curvature = apply(op_.row_sums.as<double>(), x);
    return sum_of(n_, [&](int64_t i) { return gradient_[i] * x[i]; }) - 0.5 * curvature;
  }

  const SparseNewtonStep& op_;
  Stream& stream_;
  const int64_t n_, m_;
  Sparse rows_{}, columns_{};
  double *diagonal_ = nullptr, *precondition_ = nullptr, *gradient_ = nullptr;
  double *inverse_ = nullptr, *through_ = nullptr, *product_ = nullptr, *partial_ = nullptr;
};

void sparse_newton_step(const SparseNewtonStep& op, Stream& stream) {
  NewtonSystem(op, stream).run();
}
ORTHOKIT_KERNEL(SparseNewtonStep, sparse_newton_step);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
