#include "ops/optimizers/odice_slopes.h"

#include <limits>
#include <vector>

#include "core/composer.h"
#include "ops/elementwise/fill.h"
#include "ops/elementwise/linear_combination.h"
#include "ops/elementwise/map.h"
#include "ops/elementwise/map_backward.h"
#include "ops/elementwise/multiply.h"
#include "ops/products/shared/part.h"
#include "ops/reductions/row_reduce.h"

namespace orthokit {
namespace {

// The operations that the parts of this one are made of, on its device.
class Parts {
 public:
  Parts(const OdiceSlopes& op, Composer& c) : op_(op), c_(c) {}

  View like() { return c_.temporary(op_.now); }

  void add(const View& out, std::vector<View> terms, std::vector<Factor> factors) {
    const int64_t count = int64_t(terms.size());
    c_.run(LinearCombination{
        .out = {out}, .terms = {terms.data(), count}, .coefficients = {factors.data(), count}});
  }

  void multiply(const View& x, const View& y, const View& out) {
    c_.run(Multiply{.out = {out}, .x = {x}, .y = {y}});
  }

  void map(const View& x, MapFunction function) {
    c_.run(Map{.out = {x}, .x = {x}, .function = function});
  }

  void clamp(const View& x, double low, double high) {
    double limits[] = {low, high};
    c_.run(Map{.out = {x}, .x = {x}, .function = MapFunction::kClamp, .parameters = {limits, 2}});
  }

  void fill(const View& x, double value) { c_.run(Fill{.x = {x}, .value = value}); }

  // out = f*′(y)
  void slope(const View& y, const View& out) {
    fill(out, 1);
    if (op_.is_of_pearson()) {
      add(out, {out, y}, {1, 0.5});
      return map(out, MapFunction::kRelu);
    }
    add(out, {out, y}, {-1, 1});
    clamp(out, -std::numeric_limits<double>::infinity(), OdiceSlopes::kMostExponent);
    map(out, MapFunction::kExp);
  }

  // out = 1 where an exponent of y is held, else 0, also where y is NaN.
  void mark(const View& y, const View& out) {
    const View above = like();
    fill(out, 1);
    add(above, {out, y}, {-1 - OdiceSlopes::kMostExponent, 1});
    c_.run(MapBackward{.grad = {out}, .x = {above}, .out = {out}, .function = MapFunction::kRelu});
  }

  void reduce(const View& x, Reduction reduction, int64_t place) {
    c_.run(RowReduce{
        .x = part(x, 0, {1, x.size()}), .out = part(op_.sums, place, {1}), .reduction = reduction});
  }

 private:
  const OdiceSlopes& op_;
  Composer& c_;
};

}  // namespace

void odice_slopes(const OdiceSlopes& op, Composer& c) {
  Parts parts(op, c);
  const View goes = parts.like(), y = parts.like(), other = parts.like();
  parts.fill(goes, op.discount);
  parts.add(goes, {goes, op.done}, {1, -op.discount});
  parts.fill(op.sums, 0);

  parts.multiply(goes, op.target_next, y);
  parts.add(y, {op.rewards, y, op.now}, {1, 1, -1});
  parts.slope(y, op.forward);
  const View& weighed = op.weighs_apart() ? y : op.forward;
  parts.add(op.weights, {weighed}, {1});
  parts.clamp(op.weights, 0, OdiceSlopes::kMostWeight);
  parts.add(op.forward, {op.forward}, {op.forward_factor()});
  parts.reduce(y, Reduction::kMean, 0);
  parts.reduce(op.weights, Reduction::kSum, 2);
  if (!op.is_of_pearson()) parts.mark(y, other);

  if (op.backward) {
    parts.multiply(goes, op.next, y);
    parts.add(y, {op.rewards, y, op.target_now}, {1, 1, -1});
    parts.reduce(y, Reduction::kMean, 1);
    parts.slope(y, op.backward);
    parts.add(goes, {goes}, {op.backward_factor()});
    parts.multiply(op.backward, goes, op.backward);
    if (!op.is_of_pearson()) {
      const View more = parts.like();
      parts.mark(y, more);
      parts.add(other, {other, more}, {1, 1});
    }
  }
  if (!op.is_of_pearson()) parts.reduce(other, Reduction::kSum, 3);

  // The root of −|sign(done (1 − done))|, which is a number for 0 and 1 alone.
  parts.fill(op.fault, 1);
  parts.add(op.fault, {op.fault, op.done}, {1, -1});
  parts.multiply(op.fault, op.done, op.fault);
  parts.map(op.fault, MapFunction::kSign);
  parts.map(op.fault, MapFunction::kAbs);
  parts.add(op.fault, {op.fault}, {-1});
  parts.map(op.fault, MapFunction::kSqrt);
}
ORTHOKIT_COMPOSITION(OdiceSlopes, odice_slopes);

}  // namespace orthokit
