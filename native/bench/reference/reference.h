// The formulas again, in plain loops over doubles. A reference gets an op whose views keep shape
// and dtype while their data are doubles, one an element, integers included; tensors it must not
// change are not to be written.
#pragma once
#include <cmath>
#include <string_view>
#include <type_traits>
#include <vector>

#include "bench/demands.h"
#include "bench/dice.h"
#include "core/op.h"
#include "math/exp.h"
#include "ops/shared/rows.h"

namespace orthokit::bench {

// The function that the device of kind 'reference' runs for an op: its reference, on tensors as
// they are stored. Results are computed in double and rounded once to the dtype of their tensor, to
// nearest.
void run_on_stored(const OpInfo&, const void* op);

// Terms that a reference names. Of kSome, moves of the inputs find the others. Of kTerms too, but
// for long sums, where these alone say enough. Of kAll, no input is moved: that would count their
// rounding again, and show the steps of inputs that are rounded before anything else.
enum class Named { kSome, kTerms, kAll };

struct Reference {
  const OpInfo* op;
  void (*run)(const void* op);
  decltype(KernelEntry::run) kernel;  // run_on_stored as a backend's kernel
  // By how many units of rounding of the arithmetic's dtype an element may be off, relative to
  // itself, and how far inputs are moved to find what rounding does where terms cancel (bounds.h).
  double (*growth)(const void* op);
  // The op's check, noting what it demands, and calls for it beside the examples.
  void (*check)(const void* op, Noted);
  Words checked;
  // The size of the terms that make each element of a tensor, asked once `run` has run; null or
  // empty: none are named. For what cancels by construction, such that moving the inputs does not
  // show it.
  std::vector<double> (*terms)(const void* op, std::string_view tensor, int64_t size) = nullptr;
  // Which of the terms that round these are.
  Named named = Named::kTerms;
};
std::vector<Reference>& reference_list();
const Reference* find_reference(const OpInfo&);

// A step's state in 16 bits, where the step goes on with what it has stored: this number, moved by
// the rounding to the state's dtype while a KeptIsMoved lives.
double kept(const View& state, double x);
// a + b, of which only the sign counts. While a KeptIsMoved lives, 0 by chance where the sum is
// within `rounding` of its terms: moves of these alone find either sign, and not the 0 between.
double signed_sum(double a, double b, double rounding);
// An exponential, which kernels may take as 0 where it is subnormal in the arithmetic of tensors of
// this dtype: it is 0 while a KeptIsMoved lives.
double faint(Dtype, double x);
// A sum whose terms may be larger than what remains of them, and whose roundings come to `by`:
// while a KeptIsMoved lives, x moved by so much.
double remaining(double x, double by);
class KeptIsMoved {
 public:
  explicit KeptIsMoved(Dice&);
  ~KeptIsMoved();
};

inline double* values(const View& v) { return v.as<double>(); }

// Roundings of a sum in f64 of a row of n numbers, and of what is made of it. They are added in
// four lanes at least: equal numbers round to the same side, and partial sums are half of the sum
// in the mean.
inline double growth_of_sum(int64_t n) { return 64 + double(n) / 8; }
// Of a result of sums along rows of x: as many as the caller says, but of f64 more, as these sums
// round, too.
inline double growth_of_rows(const View& x, double narrower) {
  return x.dtype == Dtype::kF64 ? growth_of_sum(row_length(x)) : narrower;
}

inline long double long_sum_of_squares(const double* x, int64_t size) {
  long double sum = 0;
  for (int64_t i = 0; i < size; ++i) sum += static_cast<long double>(x[i]) * x[i];
  return sum;
}
inline double sum_of_squares(const View& v) {
  return double(long_sum_of_squares(values(v), v.size()));
}
// Squares that f64 cannot hold, a long double can.
inline double norm_of(const double* x, int64_t size) {
  return double(std::sqrt(long_sum_of_squares(x, size)));
}
inline double norm_of(const View& v) { return norm_of(values(v), v.size()); }

// Φ(x) and φ(x) are taken as 0 where exp(−x²/2) would be subnormal in f64, as the operations say.
inline bool is_beyond_normal(double x) { return x * x / 2 > -math::kLeastExponent; }

// Stands for the terms of an element that a kernel may make finite or not.
inline constexpr double kUnsteady = -1;

inline constexpr double kExact = 0;         // the reference, rounded once
inline constexpr double kElementwise = 16;  // some operations on each element

inline double allowed(double growth = kElementwise) { return growth; }

template <class Op, void (*run)(const Op&), double (*growth)(const Op&)>
bool register_reference() {
  reference_list().push_back(
      {.op = &info<Op>(),
       .run = [](const void* op) { run(*static_cast<const Op*>(op)); },
       .kernel =
           [](const void* op, void*, Failure* failure) {
             return guarded(failure, [&] { run_on_stored(info<Op>(), op); });
           },
       .growth = [](const void* op) { return growth(*static_cast<const Op*>(op)); },
       .check = [](const void* op, Noted require) { static_cast<const Op*>(op)->check(require); },
       .checked = checked_of<Op>()});
  return true;
}

template <class Op, auto terms>
bool register_terms(Named named) {
  for (auto& reference : reference_list())
    if (reference.op == &info<Op>()) {
      reference.named = named;
      reference.terms = [](const void* op, std::string_view tensor, int64_t size) {
        const Op& own = *static_cast<const Op*>(op);
        if constexpr (std::is_invocable_v<decltype(terms), const Op&, std::string_view>) {
          const auto all = terms(own, tensor);
          if constexpr (std::is_same_v<decltype(all), const double>)
            return std::vector<double>(size_t(size), all);
          else
            return all;
        } else {
          std::vector<double> all;
          for (int64_t j = 0; j < size; ++j) all.push_back(terms(own, tensor, j));
          return all;
        }
      };
    }
  return true;
}

}  // namespace orthokit::bench

// At the end of a reference's file: the loops, and how far rounding may take a kernel from them, an
// expression of `op`; kElementwise where it is left out.
#define ORTHOKIT_REFERENCE(Op, run, ...)                                                  \
  static double growth_of([[maybe_unused]] const Op& op) { return allowed(__VA_ARGS__); } \
  [[maybe_unused]] static const bool reference_of_##Op = register_reference<Op, run, growth_of>()

// After it, with the reason: what the terms of an element are where they cancel by construction, a
// function of the op, the tensor's name and the element's number; or without the number, those of
// all elements, where they have work in common, or one that each of them has.
#define ORTHOKIT_TERMS(Op, function) ORTHOKIT_NAMED_TERMS(Op, function, Named::kTerms)
// The same where they are some of those that round.
#define ORTHOKIT_SOME_TERMS(Op, function) ORTHOKIT_NAMED_TERMS(Op, function, Named::kSome)
// The same where they are all of those that round.
#define ORTHOKIT_ALL_TERMS(Op, function) ORTHOKIT_NAMED_TERMS(Op, function, Named::kAll)

// Other operations' functions of this name may stand before it in the unit.
#define ORTHOKIT_NAMED_TERMS(Op, function, named)                                        \
  [[maybe_unused]] static const bool terms_of_##Op =                                     \
      register_terms<Op, [](const Op& op, auto... of) -> decltype(function(op, of...)) { \
        return function(op, of...);                                                      \
      }>(named)
