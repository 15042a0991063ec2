#pragma once
#include "core/op.h"

namespace orthokit {

enum class GuidanceBase : int32_t { kCond, kUncond };
inline Words words(GuidanceBase) {
  static constexpr const char* list[] = {"cond", "uncond"};
  return list;
}

struct ProjectedGuidance {
  static constexpr const char *name = "projected_guidance",
                              *summary = "guided predictions, of which one part is projected out";
  static constexpr const char* about = R"(
  Adaptive projected guidance (Sadat, Hilliges and Weber 2025) of a batch: with c = cond, u = uncond,
    b = c − u + momentum · buffer, which the buffer holds afterwards,
    s = min(1, rescale / ‖b‖) over the axes `normAxes`, or 1 without a rescale,
    p = (⟨s b, c⟩ / ⟨c, c⟩) c over the axes `projectAxes`,
    out = c + (scale − 1) (s b − (1 − eta) p), or from u with the factor scale, by the word `base`.
  Axis 0 is the batch and in neither list. Both are reduced in one pass, over the parts that no axis of
  either list divides; out may be cond or uncond.
  Numerics: elements in f32, or f64 where cond is; norms and products in f64, in a fixed order. A part
  whose ⟨c, c⟩ is 0 has no projection; what c is multiplied by is finite, at most the largest number of
  the elements' arithmetic. NaN and infinity stay in the samples that hold them.
  Traffic: two reads of cond and uncond, one write of out; a buffer is read twice and written once, and
  uncond then read once. Without a rescale and with eta 1 one read of all.
  )";
  static constexpr const char* examples[] = {
      "cond=f32[3x4x43] uncond=f32[3x4x43] out=f32[3x4x43] normAxes=1,2 projectAxes=1,2 scale=5 "
      "rescale=2",
      "cond=f64[2x3x5x7] uncond=f64[2x3x5x7] buffer=f64[2x3x5x7] out=f64[2x3x5x7] normAxes=1,3 "
      "projectAxes=1,2,3 scale=3 rescale=1 momentum=-0.5 eta=0.5",
      "cond=f16[2x3x31] uncond=f16[2x3x31] buffer=f32[2x3x31] out=f16[2x3x31] normAxes=2 "
      "projectAxes=1 scale=2 rescale=4 momentum=-0.75 base=uncond",
      "cond=bf16[3x597] uncond=bf16[3x597] out=bf16[3x597] normAxes=1 projectAxes=1 scale=4",
      "cond=f32[2x20000] uncond=f32[2x20000] buffer=f32[2x20000] out=f32[2x20000] normAxes=1 "
      "projectAxes=1 scale=2 momentum=0.5 eta=1"};
  static constexpr const char* cases[] = {
      "cond=f32[8x4x128x128] uncond=f32[8x4x128x128] buffer=f32[8x4x128x128] out=f32[8x4x128x128] "
      "normAxes=1,2,3 projectAxes=1,2,3 scale=5 rescale=15 momentum=-0.5",
      "cond=f32[8x4x128x128] uncond=f32[8x4x128x128] out=f32[8x4x128x128] normAxes=1,2,3 "
      "projectAxes=1,2,3 scale=5 rescale=15",
      "cond=f16[2x16x21x60x104] uncond=f16[2x16x21x60x104] out=f16[2x16x21x60x104] "
      "normAxes=1,3,4 projectAxes=1,2,3,4 scale=5 rescale=20"};
  View cond, uncond, buffer, out;
  List<double> norm_axes, project_axes;
  double scale = 1, eta = 0, rescale = 0, momentum = 0;
  GuidanceBase base = GuidanceBase::kCond;

  void fields(Fields& f) {
    f.in("cond", cond), f.in("uncond", uncond), f.inout("buffer", buffer, kOptional);
    f.out("out", out, kMayAlias);
    f.value("normAxes", norm_axes), f.value("projectAxes", project_axes);
    f.value("scale", scale), f.value("eta", eta), f.value("rescale", rescale);
    f.value("momentum", momentum), f.value("base", base);
  }
  bool rescales() const { return rescale > 0; }
  bool projects() const { return eta != 1; }
  bool reduces() const { return rescales() || projects(); }
  // The factor of the guidance, and what it begins with.
  double factor() const { return base == GuidanceBase::kCond ? scale - 1 : scale; }
  double flops() const { return (reduces() ? 14.0 : 4.0) * double(out.size()); }
  double bytes() const {
    const double pass = double(bytes_in(cond) + bytes_in(uncond));
    const double kept = buffer ? 2.0 * double(bytes_in(buffer)) : 0;
    if (!reduces()) return pass + double(bytes_in(out)) + kept;
    const double again = buffer ? double(bytes_in(buffer) + bytes_in(cond)) : pass;
    return pass + again + double(bytes_in(out)) + kept;
  }
  void check(auto require) const {
    require(is_floating(cond), ErrorCode::kDtype, "cond must be floating", cond);
    require(cond.rank >= 2, ErrorCode::kShape, "cond must have a batch and another axis", cond);
    require(uncond.dtype == cond.dtype, ErrorCode::kDtype, "uncond must have cond's dtype", uncond);
    require(same_shape(uncond, cond), ErrorCode::kShape, "uncond must have cond's shape", uncond,
            "cond", cond);
    require(out.dtype == cond.dtype, ErrorCode::kDtype, "out must have cond's dtype", out);
    require(same_shape(out, cond), ErrorCode::kShape, "out must have cond's shape", out, "cond",
            cond);
    if (buffer) {
      require(buffer.dtype == (cond.dtype == Dtype::kF64 ? Dtype::kF64 : Dtype::kF32),
              ErrorCode::kDtype, "buffer must be f64 where cond is, else f32", buffer);
      require(same_shape(buffer, cond), ErrorCode::kShape, "buffer must have cond's shape", buffer,
              "cond", cond);
    }
    require_axes(require, norm_axes, "normAxes must name axes from 1 on, each once");
    require_axes(require, project_axes, "projectAxes must name axes from 1 on, each once");
    require(scale - scale == 0, ErrorCode::kArgument, "scale must be finite", scale);
    require(eta - eta == 0, ErrorCode::kArgument, "eta must be finite", eta);
    require(rescale >= 0 && rescale - rescale == 0, ErrorCode::kArgument,
            "rescale must be finite and not negative", rescale);
    require(momentum > -1 && momentum < 1, ErrorCode::kArgument, "momentum must be in (-1, 1)",
            momentum);
    require(buffer || momentum == 0, ErrorCode::kArgument, "buffer is missing for a momentum");
  }

 private:
  void require_axes(auto require, const List<double>& axes, const char* must) const {
    bool seen[kMaxRank] = {};
    for (double axis : axes) {
      const bool good = axis >= 1 && axis < double(cond.rank) && double(int64_t(axis)) == axis &&
                        !seen[int64_t(axis)];
      require(good, ErrorCode::kArgument, must, axis);
      seen[int64_t(axis)] = true;
    }
  }
};

// Axes of a tensor by which an index counts, the last one fastest.
struct AxisWalk {
  int rank = 0;
  int64_t size[kMaxRank] = {}, stride[kMaxRank] = {};

  void add(int64_t n, int64_t by) { size[rank] = n, stride[rank++] = by; }
  constexpr int64_t count() const {
    int64_t n = 1;
    for (int k = 0; k < rank; ++k) n *= size[k];
    return n;
  }
  constexpr int64_t place(int64_t index) const {
    int64_t at = 0;
    for (int k = rank - 1; k > 0; --k) {
      const int64_t next = index / size[k];
      at += (index - next * size[k]) * stride[k], index = next;
    }
    return rank > 0 ? at + index * stride[0] : 0;
  }
};

// The parts of a tensor whose elements share both reductions, numbered by what is left of its axes,
// and which of them make up a group with one norm or one projection.
struct GuidanceParts {
  struct Groups {
    AxisWalk groups, members;  // as numbers of parts
  };
  AxisWalk parts, elements;
  Groups norm, project;

  explicit GuidanceParts(const ProjectedGuidance& op) {
    bool in_norm[kMaxRank] = {}, in_project[kMaxRank] = {};
    for (double axis : op.norm_axes) in_norm[int(axis)] = true;
    for (double axis : op.project_axes) in_project[int(axis)] = true;
    // Neighbours of one kind are one axis.
    int64_t size[kMaxRank], stride[kMaxRank], by = 1;
    bool norms[kMaxRank], projects[kMaxRank];
    int rank = 0;
    for (int k = op.cond.rank - 1; k >= 0; --k) {
      const int64_t n = op.cond.shape[k];
      if (n != 1) {
        if (rank > 0 && norms[rank - 1] == in_norm[k] && projects[rank - 1] == in_project[k])
          size[rank - 1] *= n;
        else
          size[rank] = n, stride[rank] = by, norms[rank] = in_norm[k],
          projects[rank++] = in_project[k];
      }
      by *= n;
    }
    int64_t part_stride[kMaxRank] = {}, part = 1;
    for (int k = 0; k < rank; ++k)
      if (!(norms[k] && projects[k])) part_stride[k] = part, part *= size[k];
    for (int k = rank - 1; k >= 0; --k) {
      if (norms[k] && projects[k]) {
        elements.add(size[k], stride[k]);
        continue;
      }
      parts.add(size[k], stride[k]);
      (norms[k] ? norm.members : norm.groups).add(size[k], part_stride[k]);
      (projects[k] ? project.members : project.groups).add(size[k], part_stride[k]);
    }
  }
  // Elements of a part that lie side by side.
  int64_t run() const {
    const int last = elements.rank - 1;
    return last >= 0 && elements.stride[last] == 1 ? elements.size[last] : 1;
  }
};

}  // namespace orthokit
