#include "ops/network/conv_orth_loss.h"

#include <vector>

#include "core/composer.h"
#include "ops/elementwise/cast.h"
#include "ops/elementwise/copy.h"
#include "ops/elementwise/fill.h"
#include "ops/elementwise/linear_combination.h"
#include "ops/elementwise/rearrange.h"
#include "ops/products/symmetric_product.h"
#include "ops/reductions/dots.h"

namespace orthokit {
namespace {

// Some elements of a tensor as a matrix.
View part(const View& whole, int64_t first, int64_t rows, int64_t columns) {
  View view{.data = whole.as<std::byte>() + size_t(first) * bytes_of(whole.dtype),
            .rank = 2,
            .dtype = whole.dtype,
            .device = whole.device};
  view.shape[0] = rows, view.shape[1] = columns;
  return view;
}

// Rows of taps [height, width · channels, outputs]: those of a kernel, or of some of its columns.
struct Taps {
  View data;
  int64_t height, row;  // a row is that many elements of each output
  int64_t outputs() const { return data.shape[data.rank - 1]; }
  View rows(int64_t first, int64_t count) const {
    return part(data, first * row * outputs(), count * row, outputs());
  }
};

std::vector<View> rows_of(const Taps& taps) {
  std::vector<View> all;
  for (int64_t a = 0; a < taps.height; ++a) all.push_back(taps.rows(a, 1));
  return all;
}
// The same rows of columns [first, first + count) alone.
std::vector<View> columns_of(const Taps& taps, int64_t channels, int64_t first, int64_t count) {
  std::vector<View> all;
  for (int64_t a = 0; a < taps.height; ++a)
    all.push_back(part(taps.data, (a * taps.row + first * channels) * taps.outputs(),
                       count * channels, taps.outputs()));
  return all;
}
List<View> list(std::vector<View>& views) { return {views.data(), int64_t(views.size())}; }

class Correlations {
 public:
  Correlations(const ConvOrthLoss& op, Composer& c)
      : op_(op), c_(c), dtype_(op.kernel.dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32) {
    const int64_t d = op.shifts(), shapes = d + 1 + d * (2 * d + 1);
    r_ = c.temporary({op.outputs(), op.outputs()}, dtype_);
    norms_ = c.temporary({shapes + 1}, Dtype::kF64);
    factors_ = c.temporary(norms_);
    kernel_ = taps(op.size());
    View kernel = op.kernel;
    if (kernel.dtype != dtype_) {
      kernel = c.temporary({op.outputs(), op.size(), op.size(), op.channels()}, dtype_);
      c.run(Cast{.out = {kernel}, .x = {op.kernel}});
    }
    double axes[] = {1, 2, 3, 0};
    c.run(Rearrange{.x = kernel, .out = kernel_.data, .axes = {axes, 4}});
    if (op.grad_kernel) grad_ = taps(op.size());
  }

  void run() {
    along(kernel_, kernel_, grad_, grad_, 0);
    for (int64_t v = 1; v <= op_.shifts(); ++v) {
      const Composer::Scope scope(c_);
      beside(v * op_.stride);
    }
    set_loss();
    if (op_.grad_kernel) set_gradient();
  }

 private:
  Taps taps(int64_t width) {
    const int64_t row = width * op_.channels();
    return {c_.temporary({op_.size(), row, op_.outputs()}, dtype_), op_.size(), row};
  }

  // Columns from `shift` on against those that lie as far to the left.
  void beside(int64_t shift) {
    const int64_t width = op_.size() - shift, channels = op_.channels();
    Taps right = taps(width), left = taps(width), grad_right, grad_left;
    std::vector<View> out = rows_of(right), x = columns_of(kernel_, channels, shift, width);
    c_.run(Copy{.out = list(out), .x = list(x)});
    out = rows_of(left), x = columns_of(kernel_, channels, 0, width);
    c_.run(Copy{.out = list(out), .x = list(x)});
    if (op_.grad_kernel) grad_right = taps(width), grad_left = taps(width);
    along(right, left, grad_right, grad_left, shift);
    if (!op_.grad_kernel) return;
    add(columns_of(grad_, channels, shift, width), rows_of(grad_right));
    add(columns_of(grad_, channels, 0, width), rows_of(grad_left));
  }

  void add(std::vector<View> to, const std::vector<View>& more) {
    std::vector<View> terms = to;
    terms.insert(terms.end(), more.begin(), more.end());
    c_.run(LinearCombination{.out = list(to), .terms = list(terms), .coefficients = {1, 1}});
  }

  // All shifts of rows: of the second ones down, or of the first ones where columns are shifted.
  void along(const Taps& first, const Taps& second, const Taps& to_first, const Taps& to_second,
             int64_t columns) {
    for (int64_t u = 0; u <= op_.shifts(); ++u) {
      const int64_t shift = u * op_.stride, height = op_.size() - shift;
      if (u == 0 && columns == 0) {
        alone();
        continue;
      }
      product(first, shift, second, 0, height, to_first, to_second, u == 0);
      if (u > 0 && columns > 0)
        product(first, 0, second, shift, height, to_first, to_second, false);
    }
  }

  // The kernels as they lie: R − I is symmetric.
  void alone() {
    const View all = kernel_.rows(0, kernel_.height);
    c_.run(SymmetricProduct{.a = all, .c = r_, .diagonal = -1, .trans = Transpose::kTransposed});
    norm();
    if (!op_.grad_kernel) return;
    c_.run(Gemm{.a = all, .b = r_, .c = grad_.rows(0, grad_.height), .alpha = 4 * op_.weight});
  }

  void product(const Taps& first, int64_t i, const Taps& second, int64_t j, int64_t height,
               const Taps& to_first, const Taps& to_second, bool is_new) {
    const View a = first.rows(i, height), b = second.rows(j, height);
    c_.run(Gemm{.a = a, .b = b, .c = r_, .trans_a = Transpose::kTransposed});
    norm();
    if (!op_.grad_kernel) return;
    const double alpha = 4 * op_.weight, beta = is_new ? 0 : 1;
    c_.run(Gemm{.a = b,
                .b = r_,
                .c = to_first.rows(i, height),
                .alpha = alpha,
                .beta = beta,
                .trans_b = Transpose::kTransposed});
    c_.run(Gemm{.a = a, .b = r_, .c = to_second.rows(j, height), .alpha = alpha, .beta = beta});
  }

  View number(const View& list, int64_t index, int64_t count = 1) const {
    View view = part(list, index, count, 1);
    view.rank = 1;
    return view;
  }
  void norm() { c_.run(Dots{.x = {r_}, .y = {r_}, .out = number(norms_, count_++)}); }

  // Of each shift but none the opposite one counts, too.
  void set_loss() {
    c_.run(Fill{.x = {number(norms_, count_)}, .value = 1});
    c_.run(Fill{.x = {factors_}, .value = 2 * op_.weight});
    c_.run(Fill{.x = {number(factors_, 0)}, .value = op_.weight});
    c_.run(Fill{.x = {number(factors_, count_)}, .value = -op_.weight * op_.least()});
    c_.run(Dots{.x = {norms_}, .y = {factors_}, .out = op_.loss});
  }

  void set_gradient() {
    const View& out = op_.grad_kernel;
    const int64_t size = op_.size();
    double shape[] = {double(size), double(size), double(op_.channels()), double(op_.outputs())},
           axes[] = {3, 0, 1, 2};
    const bool is_own = op_.beta == 0 && out.dtype == dtype_;
    View grad = is_own ? out : c_.temporary(shape_of(out), dtype_);
    c_.run(Rearrange{.x = grad_.data, .out = grad, .shape = {shape, 4}, .axes = {axes, 4}});
    if (is_own) return;
    if (op_.beta != 0) {
      View before = out;
      if (out.dtype != dtype_) {
        before = c_.temporary(grad);
        c_.run(Cast{.out = {before}, .x = {out}});
      }
      const View to = out.dtype == dtype_ ? out : grad;
      c_.run(
          LinearCombination{.out = {to}, .terms = {grad, before}, .coefficients = {1, op_.beta}});
    }
    if (out.dtype != dtype_) c_.run(Cast{.out = {out}, .x = {grad}});
  }

  const ConvOrthLoss& op_;
  Composer& c_;
  Dtype dtype_;
  Taps kernel_, grad_;
  View r_, norms_, factors_;
  int64_t count_ = 0;
};

}  // namespace

void conv_orth_loss(const ConvOrthLoss& op, Composer& c) { Correlations(op, c).run(); }
ORTHOKIT_COMPOSITION(ConvOrthLoss, conv_orth_loss);

}  // namespace orthokit
