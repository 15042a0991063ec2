#include "ops/guidance/projected_guidance.h"

#include "bench/reference/reference.h"

namespace orthokit::bench {

// The number of an element's group: its place by all axes that are not in the list.
static std::vector<int64_t> groups_of(const View& x, const List<double>& axes) {
  std::vector<int64_t> groups;
  for (int64_t i = 0; i < x.size(); ++i) {
    int64_t group = 0, rest = i, inner = x.size();
    for (int k = 0; k < x.rank; ++k) {
      inner /= x.shape[k];
      const int64_t at = rest / inner;
      rest %= inner;
      bool is_reduced = false;
      for (double axis : axes) is_reduced |= axis == k;
      if (!is_reduced) group = group * x.shape[k] + at;
    }
    groups.push_back(group);
  }
  return groups;
}

// Of each element in the last run, where the part along c is taken from what mostly is it: moves
// of c move both, and what is left of them does not show their size.
static thread_local std::vector<double> terms_of_out;

static void projected_guidance(const ProjectedGuidance& op) {
  const int64_t size = op.out.size();
  const auto n = size_t(size);
  const double *c = values(op.cond), *u = values(op.uncond);
  std::vector<double> b(n);
  for (int64_t i = 0; i < size; ++i) {
    b[size_t(i)] = c[i] - u[i];
    if (op.buffer) {
      b[size_t(i)] += op.momentum == 0 ? 0 : op.momentum * values(op.buffer)[i];
      values(op.buffer)[i] = b[size_t(i)];
    }
  }
  const auto norm = groups_of(op.cond, op.norm_axes), project = groups_of(op.cond, op.project_axes);
  std::vector<long double> square(n), product(n), cond(n);
  for (size_t i = 0; i < n; ++i) square[size_t(norm[i])] += (long double)(b[i]) * b[i];
  const auto s = [&](size_t i) {
    const double length = double(std::sqrt(square[size_t(norm[i])]));
    return op.rescale > 0 && length > op.rescale ? op.rescale / length : 1.0;
  };
  for (size_t i = 0; i < n; ++i) {
    const auto group = size_t(project[i]);
    product[group] += (long double)(s(i) * b[i]) * c[i], cond[group] += (long double)(c[i]) * c[i];
  }
  const std::vector<double> base(op.base == GuidanceBase::kCond ? c : u,
                                 (op.base == GuidanceBase::kCond ? c : u) + size);
  const std::vector<double> along(c, c + size);
  const double most = op.cond.dtype == Dtype::kF64 ? std::numeric_limits<double>::max()
                                                   : double(std::numeric_limits<float>::max());
  terms_of_out.assign(n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    const auto group = size_t(project[i]);
    const double share = cond[group] == 0 ? 0 : double(product[group] / cond[group]);
    double part = op.factor() * s(i) * b[i];
    if (op.eta != 1) {
      // Finite times c may leave the range of the elements' arithmetic.
      const double across = std::clamp(op.factor() * (1 - op.eta) * share, -most, most) * along[i];
      terms_of_out[i] = std::abs(base[i]) + std::abs(part) + std::abs(across);
      part -= std::abs(across) > most ? std::copysign(HUGE_VAL, across) : across;
    }
    values(op.out)[i] = base[i] + part;
  }
}
ORTHOKIT_REFERENCE(ProjectedGuidance, projected_guidance, 32);

static std::vector<double> terms_of(const ProjectedGuidance&, std::string_view tensor) {
  return tensor == "out" ? terms_of_out : std::vector<double>();
}
ORTHOKIT_SOME_TERMS(ProjectedGuidance, terms_of);

}  // namespace orthokit::bench
