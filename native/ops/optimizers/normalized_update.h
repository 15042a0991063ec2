#pragma once
#include "ops/optimizers/shared/finished_updates.h"
#include "ops/optimizers/shared/row_moments.h"

namespace orthokit {

struct NormalizedUpdate {
  static constexpr const char *name = "normalized_update",
                              *summary = "w = w - lr scale u, rows of u by their second moments";
  static constexpr const char* about = R"(
  NorMuon's end of a step (arXiv 2510.05491): v ← beta2 · v + (1 − beta2) · mean(u²) for each row of
  each matrix, of which `squares` holds the sums, or for each index of the longer side with axis
  `long`; u' = u / (√v + eps), then w ← keep · w − lr · scaleᵢ · t / ‖u'‖ · u' with the decay of Step.
  u is `grads`. The norm that an update ends with, t · scaleᵢ, and eps, by variant:
    repo: t = ‖u‖, eps is added to ‖u'‖ too;  dion: t = ‖u‖, ‖u'‖ is taken for eps if it is less;
    nanogpt: so too, and u' = u / √max(v, eps);  paper: t = 0.2 · √elements
  Where `places` has a negative number for a row, as take_slices gives them, its moment stays as it is
  and its update is 0.
  A zero row stays zero. l2 decay is refused, as in apply_update; so are moments of one element, which
  would leave of u its signs.
  Numerics: factors in f64, their products with u in f32, or f64 for f64 weights.
  Traffic per element, f32: read u, w, write w: 12 bytes.
  )";
  static constexpr const char* examples[] = {
      "weights=f32[597x43],f32[3x31] grads=f32[597x43],f32[3x31] squares=f64[597],f64[3] "
      "secondMoments=f32[597],f32[3] scales=1,0.5 lr=0.1 weightDecay=0.1 statistics=f64[2x3]",
      "weights=bf16[31x33],f16[2x5x7] grads=f32[31x33],f32[2x5x7] masters=bf16[31x33],f32[2x5x7] "
      "squares=f64[33],f64[14] secondMoments=bf16[33],f16[14] axis=long variant=nanogpt eps=1e-10 "
      "lr=0.1 weightDecay=0.1 weightDecayMode=cautious",
      "weights=f64[31x33] grads=f64[31x33] squares=f64[31] secondMoments=f64[31] variant=paper "
      "lr=0.1",
      "weights=f32[3x7x5],f64[4x3] grads=f32[3x7x5],f64[4x3] squares=f64[21],f64[4] "
      "secondMoments=f32[21],f64[4] places=i32[21],i32[4] variant=dion lr=0.1",
      "weights=f32[6x2x2x2] grads=f32[6x2x2x2] squares=f64[8] secondMoments=f32[8] axis=long "
      "variant=dion lr=0.1",
      "weights=f32[31x5] grads=f32[31x5] squares=f64[31] secondMoments=f32[31] guard=f64[1] lr=0.1",
      "weights=f32[31x5],f64[7x2] grads=f32[31x5],f64[7x2] squares=f64[31],f64[7] "
      "secondMoments=f32[31],f64[7] gradSquares=f64[2] statisticsRows=1,0 lr=0.1 "
      "statistics=f64[2x3]"};
  static constexpr const char* cases[] = {
      "weights=f32[4096x1024] grads=f32[4096x1024] squares=f64[4096] secondMoments=f32[4096] "
      "lr=0.1 "
      "weightDecay=0.1"};
  Step step;
  List<View> squares, second_moments;
  List<View> places;    // empty: every row has its place
  List<double> scales;  // empty: all 1
  double beta2 = 0.95, eps = 1e-8;
  NorMuonVariant variant = NorMuonVariant::kRepo;
  MomentAxis axis = MomentAxis::kRow;

  static constexpr double kPaperRms = 0.2;  // of an update of `paper`: about that of AdamW's
  bool floors_moment() const { return variant == NorMuonVariant::kNanogpt; }
  bool floors_norm() const { return floors_moment() || variant == NorMuonVariant::kDion; }
  // Of a weight; null: every row has its place.
  const int32_t* places_of(int64_t i) const {
    return places.count > 0 ? places[i].as<int32_t>() : nullptr;
  }
  double scale(int64_t i) const { return scales.count > 0 ? scales[i] : 1; }

  double flops() const { return step.flops(1); }
  void fields(Fields& f) {
    step.operands(f);
    f.in("squares", squares), f.inout("secondMoments", second_moments);
    f.in("places", places, kOptional);
    name_finished_updates(step, f);
    step.values(f);
    f.value("scales", scales), f.value("beta2", beta2), f.value("eps", eps);
    f.value("variant", variant), f.value("axis", axis);
  }
  void check(auto require) const {
    step.check(require);
    check_finished_updates(require, step);
    check_row_moments(require, step, second_moments, axis);
    require(squares.count == step.weights.count, ErrorCode::kArgument,
            "squares must be as many as weights", double(squares.count));
    for (int64_t i = 0; i < squares.count; ++i) {
      require(squares[i].dtype == Dtype::kF64, ErrorCode::kDtype, "squares must be f64",
              squares[i]);
      require(squares[i].size() == second_moments[i].size(), ErrorCode::kShape,
              "squares must be as many as secondMoments of a weight", squares[i]);
    }
    require(places.count == 0 || places.count == step.weights.count, ErrorCode::kArgument,
            "places must be as many as weights, or none", double(places.count));
    for (int64_t i = 0; i < places.count; ++i) {
      require(places[i].dtype == Dtype::kI32, ErrorCode::kDtype, "places must be i32", places[i]);
      require(places[i].size() == second_moments[i].size(), ErrorCode::kShape,
              "places must be as many as secondMoments of a weight", places[i]);
    }
    require(step.l2() == 0, ErrorCode::kArgument, "weightDecayMode must not be l2, got l2");
    require(scales.count == 0 || scales.count == step.weights.count, ErrorCode::kArgument,
            "scales must be as many as weights, or none", double(scales.count));
    check_fraction(require, "beta2 must be in [0, 1)", beta2);
    require(eps >= 0, ErrorCode::kArgument, "eps must not be negative", eps);
  }
};

}  // namespace orthokit
