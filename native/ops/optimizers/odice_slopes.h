#pragma once
#include "core/op.h"

namespace orthokit {

enum class OdiceDual : int32_t { kPearson, kReverseKl };
inline Words words(OdiceDual) {
  static constexpr const char* list[] = {"pearson", "reverse_kl"};
  return list;
}
enum class OdiceWeight : int32_t { kOdice, kTheory };
inline Words words(OdiceWeight) {
  static constexpr const char* list[] = {"odice", "theory"};
  return list;
}

struct OdiceSlopes {
  static constexpr const char *name = "odice_slopes",
                              *summary = "slopes of O-DICE's dual losses, and weights of policies";
  static constexpr const char* about = R"(
  Of b logged transitions, with the values V of states and V̄ of a target, and u = discount (1 − done):
    y = rewards + u ⊙ V̄(s′) − V(s),  forward = −(lambda / b) f*′(y), the slope by V(s);
    z = rewards + u ⊙ V(s′) − V̄(s),  backward = (lambda eta / b) u ⊙ f*′(z), that by V(s′).
  f*′ is by `dual` max(y / 2 + 1, 0), of Pearson's χ², or exp(y − 1), of the reverse
  Kullback–Leibler divergence, whose exponents are held at 80. `weights` of the policy are f*′(y),
  or max(y, 0) where `dual` is pearson and `weight` odice, at most 100.
  `fault` is 0 where done is 0 or 1, else NaN. `sums` are the means of y and of z, the sum of weights
  and how many exponents were held. Without `backward` z counts for nothing, and its mean is 0;
  means of no transitions are NaN.
  Numerics: elements in their dtype; sums in f64, in a fixed order. NaN passes to all but that count.
  Traffic: one read, one write.
  )";
  static constexpr const char* examples[] = {
      "now=f32[597] next=f32[597] targetNow=f32[597] targetNext=f32[597] rewards=f32[597] "
      "done=f32[597] forward=f32[597] backward=f32[597] weights=f32[597] fault=f32[597] "
      "sums=f64[4]",
      "now=f64[31] next=f64[31] targetNow=f64[31] targetNext=f64[31] rewards=f64[31] done=f64[31] "
      "forward=f64[31] backward=f64[31] weights=f64[31] fault=f64[31] sums=f64[4] dual=reverse_kl "
      "lambda=0.5 eta=2 discount=0.9",
      "now=f32[40001] next=f32[40001] targetNow=f32[40001] targetNext=f32[40001] "
      "rewards=f32[40001] done=f32[40001] forward=f32[40001] weights=f32[40001] fault=f32[40001] "
      "sums=f64[4] weight=theory"};
  static constexpr const char* cases[] = {
      "now=f32[256] next=f32[256] targetNow=f32[256] targetNext=f32[256] rewards=f32[256] "
      "done=f32[256] forward=f32[256] backward=f32[256] weights=f32[256] fault=f32[256] "
      "sums=f64[4]",
      "now=f32[1048576] next=f32[1048576] targetNow=f32[1048576] targetNext=f32[1048576] "
      "rewards=f32[1048576] done=f32[1048576] forward=f32[1048576] backward=f32[1048576] "
      "weights=f32[1048576] fault=f32[1048576] sums=f64[4]"};
  static constexpr double kMostExponent = 80;  // its exponential is near the largest f32
  static constexpr double kMostWeight = 100;
  View now, next, target_now, target_next, rewards, done;
  View forward, backward, weights, fault, sums;
  double lambda = 0.8, eta = 1, discount = 0.99;
  OdiceDual dual = OdiceDual::kPearson;
  OdiceWeight weight = OdiceWeight::kOdice;

  void fields(Fields& f) {
    f.in("now", now), f.in("next", next);
    f.in("targetNow", target_now), f.in("targetNext", target_next);
    f.in("rewards", rewards), f.in("done", done);
    f.out("forward", forward), f.out("backward", backward, kOptional);
    f.out("weights", weights), f.out("fault", fault), f.out("sums", sums);
    f.value("lambda", lambda), f.value("eta", eta), f.value("discount", discount);
    f.value("dual", dual), f.value("weight", weight);
  }
  double forward_factor() const { return -lambda / double(now.size()); }
  double backward_factor() const { return lambda * eta / double(now.size()); }
  bool is_of_pearson() const { return dual == OdiceDual::kPearson; }
  // The weights are not the slope f*′ itself.
  bool weighs_apart() const { return is_of_pearson() && weight == OdiceWeight::kOdice; }
  double flops() const { return (is_of_pearson() ? 20.0 : 50.0) * double(now.size()); }
  void check(auto require) const {
    require(is_f32_or_f64(now), ErrorCode::kDtype, "now must be f32 or f64", now);
    require(now.rank == 1, ErrorCode::kShape, "now must have one axis", now);
    const auto fits = [&](const View& v) {
      require(v.dtype == now.dtype, ErrorCode::kDtype,
              "next, targetNow, targetNext, rewards, done, forward, backward, weights and fault "
              "must have now's dtype",
              v);
      require(same_shape(v, now), ErrorCode::kShape,
              "next, targetNow, targetNext, rewards, done, forward, backward, weights and fault "
              "must have now's shape",
              v, "now", now);
    };
    for (const View* v :
         {&next, &target_now, &target_next, &rewards, &done, &forward, &weights, &fault})
      fits(*v);
    if (backward) fits(backward);
    require.array("sums must be f64[4]", sums, Dtype::kF64, 4);
    require(lambda >= 0 && lambda <= 1, ErrorCode::kArgument, "lambda must be in [0, 1]", lambda);
    require(eta >= 0 && eta - eta == 0, ErrorCode::kArgument, "eta must be finite and not negative",
            eta);
    require(discount > 0 && discount <= 1, ErrorCode::kArgument, "discount must be in (0, 1]",
            discount);
  }
};

}  // namespace orthokit
