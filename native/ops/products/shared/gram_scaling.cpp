#include "ops/products/shared/gram_scaling.h"

#include <limits>

#include "core/composer.h"
#include "ops/elementwise/cast.h"
#include "ops/elementwise/linear_combination.h"
#include "ops/elementwise/map.h"
#include "ops/elementwise/scale_axis.h"
#include "ops/elementwise/transpose.h"
#include "ops/products/shared/short_side.h"
#include "ops/reductions/row_reduce.h"

namespace orthokit {
namespace {

// Of matrices of norm 1: rows with less than rounding in f32 leaves do not grow to full size.
constexpr double kLeastSum = 1e-7;

View with_rows(View x, int64_t rows) {
  const int64_t size = x.size();
  x.rank = 2, x.shape[0] = rows, x.shape[1] = size / rows;
  return x;
}

// Each of so many equal parts of x times its factor.
void scale_parts(const View& x, const View& factors, Composer& c) {
  const View rows = with_rows(x, factors.size());
  c.run(ScaleAxis{.x = rows, .scale = factors, .out = rows, .axis = 0});
}
void scale_columns(const View& x, const View& factors, Composer& c) {
  const Composer::Scope scope(c);
  const View turned = c.temporary({x.shape[0], x.shape[2], x.shape[1]}, x.dtype);
  c.run(Transposition{.x = x, .out = turned});
  scale_parts(turned, factors, c);
  c.run(Transposition{.x = turned, .out = x});
}

// sums ← sums^power / scale
void to_factors(const View& sums, double least, double power, double scale, Composer& c) {
  double range[] = {least, std::numeric_limits<double>::max()};
  c.run(Map{.out = {sums}, .x = {sums}, .function = MapFunction::kClamp, .parameters = {range, 2}});
  c.run(
      Map{.out = {sums}, .x = {sums}, .function = MapFunction::kPower, .parameters = {&power, 1}});
  Factor inverse{1 / scale};
  c.run(LinearCombination{.out = {sums}, .terms = {sums}, .coefficients = {&inverse, 1}});
}

}  // namespace

void scale_by_gram(NsScaling scaling, double scale, const View& y, const View& gram, Composer& c) {
  if (y.size() == 0) return;
  const Composer::Scope scope(c);
  const ShortSide side(y);
  const bool by_rows = scaling == NsScaling::kAol;
  const int64_t count = by_rows ? y.shape[0] * side.n : y.shape[0];
  const View sums = c.temporary({count}, Dtype::kF64), factors = c.temporary({count}, y.dtype);
  c.run(side.gram(y, gram));
  if (by_rows) {
    const Composer::Scope inner(c);
    const View sizes = c.temporary(gram);
    c.run(Map{.out = {sizes}, .x = {gram}, .function = MapFunction::kAbs});
    c.run(RowReduce{.x = with_rows(sizes, count), .out = sums});
    to_factors(sums, kLeastSum, -0.5, scale, c);
  } else {
    c.run(
        RowReduce{.x = with_rows(gram, count), .out = sums, .reduction = Reduction::kSumOfSquares});
    to_factors(sums, kLeastSum * kLeastSum, -0.25, scale, c);
  }
  c.run(Cast{.out = {factors}, .x = {sums}});
  if (by_rows && !side.wide)
    scale_columns(y, factors, c);
  else
    scale_parts(y, factors, c);
  scale_parts(gram, factors, c);
  if (by_rows)
    scale_columns(gram, factors, c);
  else
    scale_parts(gram, factors, c);
}

}  // namespace orthokit
