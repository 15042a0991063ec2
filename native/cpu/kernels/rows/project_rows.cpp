#include "ops/rows/project_rows.h"

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

// The largest of term(i) for i < n, in lanes like those of sum_of.
template <class Term>
double max_of_terms(int64_t n, double least, Term&& term) {
  double lanes[kSums];
  std::fill(lanes, lanes + kSums, least);
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums)
    for (int k = 0; k < kSums; ++k) lanes[k] = std::max(lanes[k], term(i + k));
  for (; i < n; ++i) lanes[0] = std::max(lanes[0], term(i));
  return *std::max_element(lanes, lanes + kSums);
}

// τ with Σ max(value(i) − τ, 0) = total > 0, less the largest value.
template <class Value>
double threshold(int64_t n, double largest, double total, Value&& value) {
  double tau = -total;
  while (true) {
    const auto above = [&](int64_t i) {
      const double v = value(i) - largest;
      return v > tau ? v : 0;
    };
    const double sum = sum_of(n, above);
    const double count = sum_of(n, [&](int64_t i) { return value(i) - largest > tau ? 1.0 : 0.0; });
    const double next = (sum - total) / count;
    if (!(next > tau)) return tau;
    tau = next;
  }
}

template <class T>
class Row {
 public:
  Row(const ProjectRows& op, const T* x, T* out)
      : op_(op), x_(x), out_(out), n_(row_length(op.x)), size_(op.size) {}

  void project() const {
    if (const double sum = sum_of(n_, [&](int64_t i) { return at(i) * 0; }); sum != sum)
      return fill(sum);
    if (op_.set == RowSet::kHalfspace) return halfspace(op_.normal.as<T>());
    if (op_.set == RowSet::kSimplex) return simplex();
    const double largest = max_of_terms(n_, 0, [&](int64_t i) { return std::abs(at(i)); });
    op_.set == RowSet::kBall ? ball(largest) : l1_ball(largest);
  }

 private:
  double at(int64_t i) const { return convert<double>(x_[i]); }
  void fill(double value) const { std::fill(out_, out_ + n_, convert<T>(value)); }
  void keep() const {
    if (out_ != x_) std::copy(x_, x_ + n_, out_);
  }
  template <class F>
  void map(F&& f) const {
    for (int64_t i = 0; i < n_; ++i) out_[i] = convert<T>(f(at(i), i));
  }

  void simplex() const {
    if (size_ == 0) return fill(0);
    const double largest = max_of_terms(n_, -std::numeric_limits<double>::infinity(),
                                        [&](int64_t i) { return at(i); });
    const double tau = threshold(n_, largest, size_, [&](int64_t i) { return at(i); });
    map([=](double v, int64_t) { return std::max(v - largest - tau, 0.0); });
  }
  void l1_ball(double largest) const {
    if (size_ == 0) return fill(0);
    if (sum_of(n_, [&](int64_t i) { return std::abs(at(i)); }) <= size_) return keep();
    const double tau = threshold(n_, largest, size_, [&](int64_t i) { return std::abs(at(i)); });
    map([=](double v, int64_t) {
      return std::copysign(std::max(std::abs(v) - largest - tau, 0.0), v);
    });
  }
  void ball(double largest) const {
    if (size_ == 0) return fill(0);
    const double share = size_ / largest;  // infinite for a row of zeros, or nearly
    const double length = std::sqrt(sum_of(n_, [&](int64_t i) {
      const double v = at(i) / largest;
      return v * v;
    }));
    if (!(length > share)) return keep();
    map([factor = share / length](double v, int64_t) { return v * factor; });
  }
  void halfspace(const T* normal) const {
    const auto raw = [&](int64_t i) { return convert<double>(normal[i]); };
    const double largest = max_of_terms(n_, 0, [&](int64_t i) { return std::abs(raw(i)); });
    const double unit = largest > 0 ? largest : 1;
    const auto a = [&](int64_t i) { return raw(i) / unit; };
    const double square = sum_of(n_, [&](int64_t i) { return a(i) * a(i); });
    const double excess = sum_of(n_, [&](int64_t i) { return a(i) * at(i); }) - size_ / unit;
    if (excess <= 0) return keep();
    map([&, factor = excess / square](double v, int64_t i) { return v - factor * a(i); });
  }

  const ProjectRows& op_;
  const T* x_;
  T* out_;
  int64_t n_;
  double size_;
};

void project_rows(const ProjectRows& op, Stream& stream) {
  const int64_t rows = row_count(op.x), columns = row_length(op.x);
  visit_storage(op.x.dtype, [&]<class T>() {
    for_rows(stream, rows, columns, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        Row<T>(op, op.x.as<T>() + i * columns, op.out.as<T>() + i * columns).project();
    });
  });
}
ORTHOKIT_KERNEL(ProjectRows, project_rows);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
