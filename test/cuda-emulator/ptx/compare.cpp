// Comparisons, tests, and choices by their result.
#include <cmath>

#include "ptx/build.h"
#include "ptx/float.h"
#include "ptx/machine.h"

namespace cudaemu::ptx {
namespace {

constexpr std::string_view kComparisons[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",
                                             "lo",  "ls",  "hi",  "hs",  "equ", "neu",
                                             "ltu", "leu", "gtu", "geu", "num", "nan"};
enum Comparison {
  kEqual,
  kUnequal,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kLower,  // of unsigned numbers, whatever the type
  kLowerOrSame,
  kHigher,
  kHigherOrSame,
  kEqualOrNone,  // also where a NaN is compared
  kUnequalOrNone,
  kLessOrNone,
  kLessOrEqualOrNone,
  kGreaterOrNone,
  kGreaterOrEqualOrNone,
  kNumbers,
  kNotNumbers
};

template <class T, int kComparison>
bool holds(T a, T b) {
  const bool none = a != a || b != b;
  switch (kComparison) {
    case kEqual:
      return a == b;
    case kUnequal:
      return !none && a != b;
    case kLess:
    case kLower:
      return a < b;
    case kLessOrEqual:
    case kLowerOrSame:
      return a <= b;
    case kGreater:
    case kHigher:
      return a > b;
    case kGreaterOrEqual:
    case kHigherOrSame:
      return a >= b;
    case kEqualOrNone:
      return none || a == b;
    case kUnequalOrNone:
      return none || a != b;
    case kLessOrNone:
      return none || a < b;
    case kLessOrEqualOrNone:
      return none || a <= b;
    case kGreaterOrNone:
      return none || a > b;
    case kGreaterOrEqualOrNone:
      return none || a >= b;
    case kNumbers:
      return !none;
    default:
      return none;
  }
}

enum Join { kAlone, kAnd, kOr, kXor };
uint64_t joined(int how, bool result, bool with) {
  switch (how) {
    case kAnd:
      return result && with;
    case kOr:
      return result || with;
    case kXor:
      return result != with;
    default:
      return result;
  }
}

template <class T, int kComparison>
void set_predicate(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg);
  uint64_t* d = w.result(i.d);
  if (i.mode == kAlone && i.d.second < 0 && !i.flush) {
    each(lanes, [&](int l) { d[l] = holds<T, kComparison>(value_of<T>(a[l]), value_of<T>(b[l])); });
    return;
  }
  const uint64_t* c = i.mode == kAlone ? a : w.at(i.c.reg);
  uint64_t* other = i.d.second < 0 ? nullptr : w.at(i.d.second);
  each(lanes, [&](int l) {
    T x = value_of<T>(a[l]), y = value_of<T>(b[l]);
    if constexpr (std::is_floating_point_v<T>) x = flushed(x, i.flush), y = flushed(y, i.flush);
    const bool result = holds<T, kComparison>(x, y), with = (c[l] != 0) != i.c.negated;
    d[l] = joined(i.mode, result, with);
    if (other) other[l] = joined(i.mode, !result, with);
  });
}
// All ones, or 1.0, where it holds.
template <class T, int kComparison>
void set_value(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg);
  uint64_t* d = w.result(i.d);
  const uint64_t yes = i.type == Type::kF32 ? bits_of(1.f) : 0xffffffffu;
  each(lanes, [&](int l) {
    d[l] = holds<T, kComparison>(value_of<T>(a[l]), value_of<T>(b[l])) ? yes : 0;
  });
}

template <template <class, int> class Pick, class T, int kComparison = 0>
Run pick(int comparison) {
  if constexpr (kComparison <= kNotNumbers) {
    if (comparison == kComparison) return Pick<T, kComparison>::run;
    return pick<Pick, T, kComparison + 1>(comparison);
  } else {
    unsupported("this comparison");
  }
}
template <class T, int kComparison>
struct PickPredicate {
  static constexpr Run run = set_predicate<T, kComparison>;
};
template <class T, int kComparison>
struct PickValue {
  static constexpr Run run = set_value<T, kComparison>;
};

template <template <class, int> class Pick>
Run pick_of(Type type, int comparison) {
  if (type == Type::kF32) return pick<Pick, float>(comparison);
  if (type == Type::kF64) return pick<Pick, double>(comparison);
  const bool is_unsigned = comparison >= kLower && comparison <= kHigherOrSame;
  return with_integer(type, [&](auto t) -> Run {
    using T = decltype(t);
    return is_unsigned ? pick<Pick, std::make_unsigned_t<T>>(comparison)
                       : pick<Pick, T>(comparison);
  });
}

void build_set_predicate(Words& words, Instruction& i) {
  const int comparison = words.take_one_of(kComparisons);
  constexpr std::string_view kJoins[] = {"and", "or", "xor"};
  i.mode = words.take_one_of(kJoins) + 1;
  i.flush = words.take("ftz");
  i.type = words.take_type();
  i.run = pick_of<PickPredicate>(i.type, comparison);
}
void build_set(Words& words, Instruction& i) {
  const int comparison = words.take_one_of(kComparisons);
  i.type = words.take_type();
  i.run = pick_of<PickValue>(words.take_type(), comparison);
}

void select(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t *a = w.at(i.a.reg), *b = w.at(i.b.reg), *c = w.at(i.c.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) { d[l] = c[l] ? a[l] : b[l]; });
}
void build_select(Words& words, Instruction& i) {
  i.type = words.take_type();
  i.run = select;
}

constexpr std::string_view kTests[] = {"finite",     "infinite", "number",
                                       "notanumber", "normal",   "subnormal"};
template <class T>
void test(Warp& w, const Instruction& i, Lanes lanes) {
  const uint64_t* a = w.at(i.a.reg);
  uint64_t* d = w.result(i.d);
  each(lanes, [&](int l) {
    const T x = value_of<T>(a[l]);
    const bool results[] = {std::isfinite(x), std::isinf(x),    !std::isnan(x),
                            std::isnan(x),    std::isnormal(x), std::fpclassify(x) == FP_SUBNORMAL};
    d[l] = results[i.mode];
  });
}
void build_test(Words& words, Instruction& i) {
  if ((i.mode = words.take_one_of(kTests)) < 0) unsupported("this test");
  i.type = words.take_type();
  i.run = i.type == Type::kF64 ? test<double> : test<float>;
}

constexpr Builder kBuilders[] = {
    {"setp", build_set_predicate},
    {"set", build_set},
    {"selp", build_select},
    {"testp", build_test},
};

}  // namespace

std::span<const Builder> compare_builders() { return kBuilders; }

}  // namespace cudaemu::ptx
