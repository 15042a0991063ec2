#include "ops/optimizers/shared/cosine_subspace.h"

#include "core/composer.h"
#include "ops/elementwise/copy.h"
#include "ops/elementwise/fill.h"
#include "ops/elementwise/map.h"
#include "ops/elementwise/transpose.h"
#include "ops/gather/gather_rows.h"
#include "ops/gather/scatter_rows.h"
#include "ops/reductions/row_reduce.h"
#include "ops/rows/row_top_k.h"

namespace orthokit {
namespace {

View row_of(const View& rows, int64_t i) {
  View row = rows;
  row.rank = 1, row.shape[0] = rows.shape[1];
  row.data = rows.as<int32_t>() + i * rows.shape[1];
  return row;
}

}  // namespace

CosineSubspace::CosineSubspace(Composer& composer, const Matrices& shape, Dtype dtype,
                               DctKind basis, int64_t rank)
    : composer_(composer),
      shape_(shape),
      dtype_(dtype),
      basis_(basis),
      rank_(rank_of(shape, rank)) {}

View CosineSubspace::coordinates(const View& x) {
  View tall = x;
  if (is_wide()) {
    tall = composer_.temporary({shape_.batch, shape_.columns, shape_.rows}, dtype_);
    composer_.run(Transposition{.x = x, .out = tall});
  }
  const View by_row = composer_.temporary(tall),
             all = composer_.temporary({shape_.batch, shorter(), longer()}, dtype_);
  composer_.run(Dct{.x = tall, .out = by_row, .kind = basis_});
  composer_.run(Transposition{.x = by_row, .out = all});
  return all;
}

View CosineSubspace::largest(View all) {
  const View indices = composer_.temporary({shape_.batch, rank_}, Dtype::kI32);
  View sizes = composer_.temporary(all);
  const View scores = composer_.temporary({shape_.batch, shorter()}, Dtype::kF64);
  composer_.run(Map{.out = {&sizes, 1}, .x = {&all, 1}, .function = MapFunction::kAbs});
  composer_.run(RowReduce{.x = sizes, .out = scores});
  composer_.run(RowTopK{.x = scores, .index = indices});
  return indices;
}

View CosineSubspace::rows(const View& all, const View& indices) {
  const View out = composer_.temporary({shape_.batch, rank_, longer()}, dtype_);
  for (int64_t i = 0; i < shape_.batch; ++i)
    composer_.run(
        GatherRows{.x = matrix_of(all, i), .index = row_of(indices, i), .out = matrix_of(out, i)});
  return out;
}

View CosineSubspace::spread(const View& rows, const View& indices, View all) {
  View out = composer_.temporary({shape_.batch, shorter(), longer()}, dtype_);
  if (all)
    composer_.run(Copy{.out = {&out, 1}, .x = {&all, 1}});
  else
    composer_.run(Fill{.x = {&out, 1}});
  for (int64_t i = 0; i < shape_.batch; ++i)
    composer_.run(ScatterRows{.out = matrix_of(out, i),
                              .index = row_of(indices, i),
                              .x = matrix_of(rows, i),
                              .mode = ScatterMode::kSet});
  return out;
}

View CosineSubspace::matrix(const View& all) {
  const View tall = composer_.temporary({shape_.batch, longer(), shorter()}, dtype_);
  composer_.run(Transposition{.x = all, .out = tall});
  const DctKind back = basis_ == DctKind::kDct2 ? DctKind::kDct3 : DctKind::kDct2;
  composer_.run(Dct{.x = tall, .out = tall, .kind = back});
  if (!is_wide()) return tall;
  const View out = composer_.temporary({shape_.batch, shape_.rows, shape_.columns}, dtype_);
  composer_.run(Transposition{.x = tall, .out = out});
  return out;
}

}  // namespace orthokit
