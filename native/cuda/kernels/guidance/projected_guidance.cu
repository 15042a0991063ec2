#include "cuda/convert.cuh"
#include "cuda/device/reduce.cuh"
#include "cuda/kernel.h"
#include "cuda/launch.cuh"
#include "ops/guidance/projected_guidance.h"

namespace orthokit::cuda {

inline constexpr int kGuidanceThreads = 256, kGroupThreads = 64;
inline constexpr int64_t kGuidancePiece = 8192;  // elements of a part that a block takes

struct GuidanceSums {
  double square, product, cond;  // ⟨b, b⟩, ⟨b, c⟩, ⟨c, c⟩
};

template <class S>
struct Guidance {
  using T = std::conditional_t<std::is_same_v<S, double>, double, float>;
  AxisWalk parts, elements;
  int64_t count, size, pieces;  // parts, elements of one, and pieces of one
  const S *cond, *uncond;
  T* buffer;
  S* out;
  double momentum, factor;
  bool projects, from_cond;

  __device__ T difference(int64_t at, T c) const {
    T b = c - convert<T>(uncond[at]);
    if (!buffer) return b;
    if (momentum != 0) b += T(momentum) * buffer[at];
    return buffer[at] = b;
  }
  // body(part, element) for each element of the block's piece.
  template <class Body>
  __device__ void visit(int64_t piece, Body&& body) const {
    const int64_t part = piece / pieces, from = (piece - part * pieces) * kGuidancePiece;
    const int64_t to = from + kGuidancePiece < size ? from + kGuidancePiece : size;
    const int64_t start = parts.place(part);
    for (int64_t i = from + int(threadIdx.x); i < to; i += kGuidanceThreads)
      body(part, start + elements.place(i));
  }
};

template <class S>
__global__ void __launch_bounds__(kGuidanceThreads)
    guidance_sums_kernel(Guidance<S> g, GuidanceSums* sums) {
  using T = typename Guidance<S>::T;
  for (int64_t piece = blockIdx.x; piece < g.count * g.pieces; piece += gridDim.x) {
    GuidanceSums own{};
    g.visit(piece, [&](int64_t, int64_t at) {
      const T c = convert<T>(g.cond[at]), b = g.difference(at, c);
      own.square += double(b) * double(b), own.product += double(b) * double(c);
      own.cond += double(c) * double(c);
    });
    own.square = block_reduce<Sum>(own.square), own.product = block_reduce<Sum>(own.product);
    own.cond = block_reduce<Sum>(own.cond);
    if (threadIdx.x == 0) sums[piece] = own;
  }
}

// f(part, piece) of each piece of a group's parts, dealt to the threads of a block.
template <class F>
__device__ __forceinline__ void visit_group_pieces(const GuidanceParts::Groups& by, int64_t group,
                                                   int64_t pieces, F&& f) {
  const int64_t first = by.groups.place(group), count = by.members.count() * pieces;
  for (int64_t i = int(threadIdx.x); i < count; i += kGroupThreads) {
    const int64_t member = i / pieces, part = first + by.members.place(member);
    f(part, part * pieces + (i - member * pieces));
  }
}

__global__ void __launch_bounds__(kGroupThreads)
    guidance_norms_kernel(GuidanceParts::Groups by, int64_t groups, int64_t pieces,
                          const GuidanceSums* sums, double rescale, double* along) {
  for (int64_t group = blockIdx.x; group < groups; group += gridDim.x) {
    double square = 0;
    visit_group_pieces(by, group, pieces,
                       [&](int64_t, int64_t piece) { square += sums[piece].square; });
    const double norm = sqrt(block_reduce<Sum>(square));
    const double s = rescale > 0 && norm > rescale ? rescale / norm : 1;
    visit_group_pieces(by, group, 1, [&](int64_t part, int64_t) { along[part] = s; });
  }
}

__global__ void __launch_bounds__(kGroupThreads)
    guidance_shares_kernel(GuidanceParts::Groups by, int64_t groups, int64_t pieces,
                           const GuidanceSums* sums, double factor, const double* along,
                           double* across) {
  for (int64_t group = blockIdx.x; group < groups; group += gridDim.x) {
    double product = 0, cond = 0;
    visit_group_pieces(by, group, pieces, [&](int64_t part, int64_t piece) {
      product += along[part] * sums[piece].product, cond += sums[piece].cond;
    });
    product = block_reduce<Sum>(product), cond = block_reduce<Sum>(cond);
    const double share = cond == 0 ? 0 : factor * (product / cond);
    visit_group_pieces(by, group, 1, [&](int64_t part, int64_t) { across[part] = share; });
  }
}

// out = base + along · b − across · c
template <class S>
__global__ void __launch_bounds__(kGuidanceThreads)
    guide_kernel(Guidance<S> g, const double* along, const double* across) {
  using T = typename Guidance<S>::T;
  for (int64_t piece = blockIdx.x; piece < g.count * g.pieces; piece += gridDim.x)
    g.visit(piece, [&](int64_t part, int64_t at) {
      const T c = convert<T>(g.cond[at]);
      const T b = along && g.buffer ? g.buffer[at] : g.difference(at, c);
      const T base = g.from_cond ? c : convert<T>(g.uncond[at]);
      const T a = finite_factor<T>(along ? g.factor * along[part] : g.factor);
      T moved = a * b;
      if (g.projects) moved -= finite_factor<T>(across[part]) * c;
      g.out[at] = convert<S>(base + moved);
    });
}

template <class S>
static void guide(const ProjectedGuidance& op, Stream& stream) {
  const GuidanceParts by(op);
  Guidance<S> g{by.parts, by.elements, by.parts.count(), by.elements.count(), 0};
  if (g.count == 0 || g.size == 0) return;
  g.pieces = (g.size + kGuidancePiece - 1) / kGuidancePiece;
  g.cond = op.cond.as<S>(), g.uncond = op.uncond.as<S>(), g.out = op.out.as<S>();
  g.buffer = op.buffer.template as<typename Guidance<S>::T>();
  g.momentum = op.momentum, g.factor = op.factor(), g.projects = op.projects();
  g.from_cond = op.base == GuidanceBase::kCond;
  const Grid grid{blocks_for(g.count * g.pieces), kGuidanceThreads};
  double *along = nullptr, *across = nullptr;
  if (op.reduces()) {
    auto* sums = stream.scratch<GuidanceSums>(g.count * g.pieces);
    along = stream.scratch<double>(2 * g.count), across = along + g.count;
    launch(stream, guidance_sums_kernel<S>, grid, g, sums);
    const int64_t norms = by.norm.groups.count(), projects = by.project.groups.count();
    launch(stream, guidance_norms_kernel, {blocks_for(norms), kGroupThreads}, by.norm, norms,
           g.pieces, sums, op.rescale, along);
    launch(stream, guidance_shares_kernel, {blocks_for(projects), kGroupThreads}, by.project,
           projects, g.pieces, sums, op.factor() * (1 - op.eta), along, across);
  }
  launch(stream, guide_kernel<S>, grid, g, along, across);
}

static void projected_guidance(const ProjectedGuidance& op, Stream& stream) {
  switch (op.cond.dtype) {
    case Dtype::kF16:
      return guide<Half>(op, stream);
    case Dtype::kBf16:
      return guide<Bfloat16>(op, stream);
    default:
      return visit(op.cond.dtype, [&]<class S>() { guide<S>(op, stream); });
  }
}
ORTHOKIT_KERNEL(ProjectedGuidance, projected_guidance);

}  // namespace orthokit::cuda
