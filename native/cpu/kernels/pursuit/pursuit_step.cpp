#include "ops/pursuit/pursuit_step.h"

#include "cpu/kernels/pursuit/shared/best_atom.h"
#include "cpu/kernels/pursuit/shared/support.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

template <class T>
class Step {
 public:
  Step(const PursuitStep& op, int64_t signal, double largest, double* scratch)
      : op_(op),
        n_(op.correlations.shape[1]),
        depth_(op.atoms.shape[1]),
        k_(op.indices.shape[1]),
        signal_(signal),
        largest_(largest),
        indices_(op.indices.as<int32_t>() + signal * k_),
        coefficients_(op.coefficients.as<T>() + signal * k_),
        fit_{op.atoms.as<T>(), op.signals.as<T>() + signal * depth_, depth_, indices_,
             scratch + 2 * k_},
        support_(op.state.as<double>() + signal * support_doubles(k_), scratch, k_, op.step) {}

  void run() {
    double& left = op_.left.as<double>()[signal_];
    int32_t& count = op_.counts.as<int32_t>()[signal_];
    const double whole = op_.energies.as<double>()[signal_];
    if (count != op_.step || left <= op_.limits.target(whole)) return;
    for (int64_t i = 0; i < op_.step; ++i)
      if (indices_[i] < 0 || indices_[i] >= n_) return;
    BestAtom<T> best;
    if (!choose(T(op_.limits.floor * std::sqrt(whole) * largest_), best)) return;
    indices_[op_.step] = int32_t(best.index);
    support_.append(dot(fit_.atom(op_.step), fit_.signal, depth_), distance_);
    support_.solve();
    left = fit_.measure(support_, op_.limits.refinements, coefficients_);
    T* rest = op_.rests.as<T>() + signal_ * depth_;
    for (int64_t j = 0; j < depth_; ++j) rest[j] = T(fit_.residual[j]);
    ++count;
  }

 private:
  // The best atom that does not depend on those chosen; its distance stays for `append`.
  bool choose(T floor, BestAtom<T>& best) {
    int32_t masked[kMostSkips];
    for (int skips = 0; skips < kMostSkips;) {
      best = look(masked, skips);
      if (!(best.score > floor)) return false;
      fit_.dots(op_.step, op_.atoms.as<T>() + best.index * depth_, support_.column());
      const double square = op_.squares.as<double>()[best.index];
      distance_ = support_.distance(square);
      if (distance_ > op_.limits.dependence * square) return true;
      if (op_.limits.stops()) return false;
      masked[skips++] = int32_t(best.index);
    }
    return false;
  }

  BestAtom<T> look(const int32_t* skipped, int skips) const {
    constexpr int64_t kTile = 1024;
    alignas(64) T tile[kTile];
    const T* p = op_.correlations.as<T>() + signal_ * n_;
    BestAtom<T> best;
    for (int64_t first = 0; first < n_; first += kTile) {
      const int64_t size = std::min(kTile, n_ - first);
      std::copy_n(p + first, size, tile);
      const auto mask = [&](int64_t j) {
        if (j >= first && j < first + size) tile[j - first] = 0;
      };
      for (int64_t i = 0; i < op_.step; ++i) mask(indices_[i]);
      for (int i = 0; i < skips; ++i) mask(skipped[i]);
      best.look(tile, op_.scales.as<T>(), first, size);
    }
    return best;
  }

  const PursuitStep& op_;
  const int64_t n_, depth_, k_, signal_;
  const double largest_;  // maxⱼ sⱼ |dⱼ|
  int32_t* const indices_;
  T* const coefficients_;
  const Fit<SerialWorkers, T> fit_;
  Support<SerialWorkers> support_;
  double distance_ = 0;
};

// Signals in parts, each with scratch memory of its own.
template <class T>
void run(const PursuitStep& op, Stream& stream) {
  constexpr int64_t kMostParts = 256, kMostScratch = int64_t(1) << 23;  // doubles
  const int64_t batch = op.indices.shape[0], each = op.atoms.shape[1] + 2 * op.indices.shape[1];
  if (batch == 0) return;
  const int64_t most =
      std::clamp<int64_t>(kMostScratch / std::max<int64_t>(1, each), 1, kMostParts);
  const int64_t size = (batch + most - 1) / most, parts = (batch + size - 1) / size;
  double* scratch = stream.scratch<double>(parts * each);
  const double largest = largest_atom(op.squares, op.scales.as<T>());
  stream.parallel(parts, [&](int64_t part) {
    for (int64_t b = part * size; b < std::min(batch, (part + 1) * size); ++b)
      Step<T>(op, b, largest, scratch + part * each).run();
  });
}

}  // namespace

void pursuit_step(const PursuitStep& op, Stream& stream) {
  visit(op.atoms.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(PursuitStep, pursuit_step);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
