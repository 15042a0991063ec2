#include "core/tensor.h"

#include <doctest/doctest.h>

#include <limits>

using namespace orthokit;

namespace {

bool fits(const Shape& shape) {
  try {
    view_of(nullptr, shape, Dtype::kF32, 0);
    return true;
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::kShape);
    return false;
  }
}

}  // namespace

TEST_CASE("view_of: what memory could hold") {
  constexpr int64_t most = int64_t(1) << 44, huge = std::numeric_limits<int64_t>::max();
  CHECK(fits({}));
  CHECK(fits({0}));
  CHECK(fits({1, 2, 3, 4, 5}));
  CHECK_FALSE(fits({1, 1, 1, 1, 1, 1}));
  CHECK(fits({most}));
  CHECK_FALSE(fits({most + 1}));
  CHECK(fits({1 << 22, 1 << 22}));
  CHECK_FALSE(fits({1 << 22, 1 << 22, 2}));
  CHECK_FALSE(fits({huge, huge}));
  CHECK_FALSE(fits({int64_t(1) << 32, int64_t(1) << 32}));  // 2^64 wraps to 0
  CHECK_FALSE(fits({int64_t(1) << 40, int64_t(1) << 40, 0}));
  CHECK(fits({most, 0}));
  CHECK_FALSE(fits({-1}));
  CHECK_FALSE(fits({0, -1}));
  CHECK_FALSE(fits({std::numeric_limits<int64_t>::min()}));
}

TEST_CASE("view_of: shape, rank and size") {
  const View v = view_of(nullptr, {2, 0, 5}, Dtype::kBf16, 3);
  CHECK(v.rank == 3);
  CHECK(v.size() == 0);
  CHECK(v.dtype == Dtype::kBf16);
  CHECK(v.device == 3);
  CHECK(view_of(nullptr, {}, Dtype::kF32, 0).size() == 1);
  CHECK(shape_of(v) == Shape{2, 0, 5});
}

TEST_CASE("reshaped shares the bytes and keeps the count") {
  float data[6] = {};
  const Tensor t(view_of(data, {2, 3}, Dtype::kF32, 0), nullptr);
  CHECK(t.reshaped({3, 2, 1}).view().data == data);
  CHECK(t.bytes() == 24);
  CHECK_THROWS_AS(t.reshaped({5}), Error);
  CHECK_THROWS_AS(t.reshaped({-6}), Error);
}

TEST_CASE("rows share the bytes from where they begin") {
  float data[6] = {};
  const Tensor t(view_of(data, {3, 2}, Dtype::kF32, 0), nullptr);
  const View part = t.rows(1, 3);
  CHECK(part.data == data + 2);
  CHECK(shape_of(part) == Shape{2, 2});
  CHECK(is_part(part));
  CHECK(t.rows(1, 3).rows(1, 1).view().data == data + 4);
  CHECK(is_part(t.rows(1, 3).reshaped({4})));
  CHECK(!is_part(t.rows(0, 3)));
  CHECK(t.rows(3, 3).bytes() == 0);
  CHECK_THROWS_AS(t.rows(-1, 1), Error);
  CHECK_THROWS_AS(t.rows(2, 1), Error);
  CHECK_THROWS_AS(t.rows(0, 4), Error);
  CHECK_THROWS_AS(Tensor(view_of(data, {}, Dtype::kF32, 0), nullptr).rows(0, 0), Error);
}

TEST_CASE("matrices of a tensor of any rank") {
  const auto of = [](const Shape& shape) {
    const Matrices m = matrices(view_of(nullptr, shape, Dtype::kF32, 0));
    return std::vector<int64_t>{m.batch, m.rows, m.columns};
  };
  using Sizes = std::vector<int64_t>;
  CHECK(of({}) == Sizes{1, 1, 1});
  CHECK(of({7}) == Sizes{1, 7, 1});
  CHECK(of({7, 3}) == Sizes{1, 7, 3});
  CHECK(of({5, 7, 3}) == Sizes{5, 7, 3});
  CHECK(of({8, 3, 2, 2}) == Sizes{1, 8, 12});
  CHECK(of({8, 3, 2, 2, 2}) == Sizes{1, 8, 24});
  double data[12] = {};
  const View second = matrix_of(view_of(data, {2, 2, 3}, Dtype::kF64, 1), 1);
  CHECK(second.data == data + 6);
  CHECK(second.rank == 2);
  CHECK(second.device == 1);
}
