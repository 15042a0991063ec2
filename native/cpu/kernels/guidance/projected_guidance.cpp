#include "ops/guidance/projected_guidance.h"

#include <cmath>

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {

struct GuidanceSums {
  double square, product, cond;  // ⟨b, b⟩, ⟨b, c⟩, ⟨c, c⟩
};

template <class T>
struct GuidanceBlock {
  T cond[kBlock], uncond[kBlock], buffer[kBlock], out[kBlock], difference[kBlock];
};

// b of n elements from `at`, which the buffer gets, too.
template <class T>
static const T* difference_at(const ProjectedGuidance& op, int64_t at, int64_t n, const T* c,
                              GuidanceBlock<T>& block) {
  const T* u = load(op.uncond, at, n, block.uncond);
  const T momentum = T(op.momentum);
  T* b = op.buffer ? op.buffer.as<T>() + at : block.difference;
  if (op.buffer && op.momentum != 0)
    for (int64_t i = 0; i < n; ++i) b[i] = (c[i] - u[i]) + momentum * b[i];
  else
    for (int64_t i = 0; i < n; ++i) b[i] = c[i] - u[i];
  return b;
}

template <class T>
static void sum_run(const ProjectedGuidance& op, int64_t begin, int64_t size, GuidanceSums& sums) {
  GuidanceBlock<T> block;
  for (int64_t done = 0; done < size; done += kBlock) {
    const int64_t at = begin + done, n = std::min(kBlock, size - done);
    const T* c = load(op.cond, at, n, block.cond);
    const T* b = difference_at(op, at, n, c, block);
    sums.square += sum_of_squares(b, n);
    if (!op.projects()) continue;
    sums.product += sum_of(n, [=](int64_t i) { return double(b[i]) * double(c[i]); });
    sums.cond += sum_of_squares(c, n);
  }
}

// out = base + along · b − across · c
template <class T>
static void guide_run(const ProjectedGuidance& op, int64_t begin, int64_t size, double along,
                      double across) {
  GuidanceBlock<T> block;
  const T a = finite_factor<T>(along), k = finite_factor<T>(across);
  for (int64_t done = 0; done < size; done += kBlock) {
    const int64_t at = begin + done, n = std::min(kBlock, size - done);
    const T* c = load(op.cond, at, n, block.cond);
    const bool is_kept = op.reduces() && op.buffer;
    const T* b = is_kept ? op.buffer.as<T>() + at : difference_at(op, at, n, c, block);
    const T* base = op.base == GuidanceBase::kCond ? c : load(op.uncond, at, n, block.uncond);
    T* out = target(op.out, at, block.out);
    if (op.projects())
      for (int64_t i = 0; i < n; ++i) out[i] = base[i] + (a * b[i] - k * c[i]);
    else
      for (int64_t i = 0; i < n; ++i) out[i] = base[i] + a * b[i];
    store(op.out, at, n, static_cast<const T*>(out));
  }
}

// body(first element, how many) for the runs of elements [from, to) of a part.
template <class Body>
static void visit_runs(const GuidanceParts& parts, int64_t part, int64_t from, int64_t to,
                       Body&& body) {
  const int64_t run = parts.run(), start = parts.parts.place(part);
  while (from < to) {
    const int64_t n = std::min(to - from, run - from % run);
    body(start + parts.elements.place(from), n);
    from += n;
  }
}

template <class T>
static void guide(const ProjectedGuidance& op, Stream& stream) {
  const GuidanceParts parts(op);
  const int64_t count = parts.parts.count(), elements = parts.elements.count();
  if (count == 0 || elements == 0) return;
  const int64_t pieces = (elements + kChunk - 1) / kChunk;
  const auto for_pieces = [&](auto&& body) {
    for_rows(stream, count * pieces, std::min(elements, kChunk), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t from = i % pieces * kChunk;
        body(i, i / pieces, from, std::min(elements, from + kChunk));
      }
    });
  };
  double *along = nullptr, *across = nullptr;
  if (op.reduces()) {
    auto* sums = stream.scratch<GuidanceSums>(count * pieces);
    along = stream.scratch<double>(2 * count), across = along + count;
    for_pieces([&](int64_t piece, int64_t part, int64_t from, int64_t to) {
      sums[piece] = {};
      visit_runs(parts, part, from, to,
                 [&](int64_t at, int64_t n) { sum_run<T>(op, at, n, sums[piece]); });
    });
    const auto for_groups = [&](const GuidanceParts::Groups& by, auto&& body) {
      const int64_t members = by.members.count();
      for_rows(stream, by.groups.count(), members * pieces, [&](int64_t begin, int64_t end) {
        for (int64_t group = begin; group < end; ++group)
          body([&, first = by.groups.place(group)](auto&& visit) {
            for (int64_t i = 0; i < members; ++i) visit(first + by.members.place(i));
          });
      });
    };
    for_groups(parts.norm, [&](auto&& members) {
      double square = 0;
      members([&](int64_t part) {
        for (int64_t j = 0; j < pieces; ++j) square += sums[part * pieces + j].square;
      });
      const double norm = std::sqrt(square);
      const double s = op.rescales() && norm > op.rescale ? op.rescale / norm : 1;
      members([&](int64_t part) { along[part] = s; });
    });
    for_groups(parts.project, [&](auto&& members) {
      double product = 0, cond = 0;
      members([&](int64_t part) {
        for (int64_t j = 0; j < pieces; ++j)
          product += along[part] * sums[part * pieces + j].product,
              cond += sums[part * pieces + j].cond;
      });
      const double share = cond == 0 ? 0 : (1 - op.eta) * (product / cond);
      members([&](int64_t part) { across[part] = op.factor() * share; });
    });
  }
  for_pieces([&](int64_t, int64_t part, int64_t from, int64_t to) {
    const double s = along ? op.factor() * along[part] : op.factor();
    visit_runs(parts, part, from, to, [&](int64_t at, int64_t n) {
      guide_run<T>(op, at, n, s, across ? across[part] : 0);
    });
  });
}

void projected_guidance(const ProjectedGuidance& op, Stream& stream) {
  op.cond.dtype == Dtype::kF64 ? guide<double>(op, stream) : guide<float>(op, stream);
}
ORTHOKIT_KERNEL(ProjectedGuidance, projected_guidance);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
