#include "ops/gram_pursuit.h"

#include "cpu/best_atom.h"
#include "cpu/support.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

constexpr int64_t kTileBytes = 8192;  // of p: it stays in L1 while the rows of the Gram pass
constexpr int kRowsAtOnce = 8;

// p −= Σ wᵣ rowᵣ, in the order of the rows.
template <int rows_at_once, class T>
void subtract(T* p, int64_t count, const T* const* rows, const T* w, int64_t first) {
  const T* row[rows_at_once];
  T minus[rows_at_once];
  for (int r = 0; r < rows_at_once; ++r) row[r] = rows[r] + first, minus[r] = -w[r];
#pragma GCC ivdep
  for (int64_t j = 0; j < count; ++j) {
    T x = p[j];
#pragma GCC unroll 8
    for (int r = 0; r < rows_at_once; ++r) x = fused(minus[r], row[r][j], x);
    p[j] = x;
  }
}

template <class T>
struct Scratch {  // of one signal at a time
  double *state, *columns;
  double* residual;
  const T** rows;
  T* w;
};

template <class T>
class Pursuit {
 public:
  Pursuit(const GramPursuit& op, const Scratch<T>& scratch, double largest)
      : op_(op),
        n_(op.correlations.shape[1]),
        k_(op.indices.shape[1]),
        largest_(largest),
        scratch_(scratch),
        support_(scratch.state, scratch.columns, k_) {}

  void run(int64_t signal) {
    signal_ = signal;
    p_ = op_.correlations.as<T>() + signal * n_;
    indices_ = op_.indices.as<int32_t>() + signal * k_;
    support_.clear();
    const double whole = op_.energies ? op_.energies.as<double>()[signal] : NAN;
    double energy = whole;
    const double target = std::max(op_.tol, op_.rel_tol * op_.rel_tol * whole);
    T floor = 0;
    while (support_.count() < k_ && !(energy <= target)) {
      BestAtom<T> best;
      if (!choose(floor, best)) break;
      if (support_.count() == 0) {
        floor = T(op_.floor * (op_.energies ? std::sqrt(whole) * largest_ : double(best.score)));
        if (!(best.score > floor)) break;
      }
      energy -= support_.append(double(p_[best.index]), distance_);
      support_.solve();
      add(best.index);
      if (energy <= target && op_.atoms) energy = measured();
    }
    finish(energy);
  }

 private:
  // The best atom that does not depend on those chosen; its distance stays for `append`.
  bool choose(T floor, BestAtom<T>& best) {
    int32_t skipped[kMostSkips];
    for (int skips = 0; skips < kMostSkips;) {
      best = sweep(skipped, skips);
      if (!(best.score > floor)) return false;
      const T* row = row_of(best.index);
      for (int64_t i = 0; i < support_.count(); ++i)
        support_.column()[i] = double(row[indices_[i]]);
      const double square = op_.squares.as<double>()[best.index];
      distance_ = support_.distance(square);
      if (distance_ > op_.dependence * square) return true;
      if (op_.on_dependent == OnDependent::kStop) return false;
      skipped[skips++] = int32_t(best.index);
    }
    return false;
  }

  // One pass over the atoms, tile by tile: update, mask and maximum while a tile is in L1.
  BestAtom<T> sweep(const int32_t* skipped, int skips) const {
    constexpr int64_t kTile = kTileBytes / sizeof(T);
    alignas(64) T tile[kTile];
    const int64_t count = support_.count();
    BestAtom<T> best;
    for (int64_t first = 0; first < n_; first += kTile) {
      const int64_t size = std::min(kTile, n_ - first);
      std::copy_n(p_ + first, size, tile);
      int64_t r = 0;
      for (; r + kRowsAtOnce <= count; r += kRowsAtOnce)
        subtract<kRowsAtOnce>(tile, size, scratch_.rows + r, scratch_.w + r, first);
      for (; r < count; ++r) subtract<1>(tile, size, scratch_.rows + r, scratch_.w + r, first);
      const auto mask = [&](int64_t j) {
        if (j >= first && j < first + size) tile[j - first] = 0;
      };
      for (int64_t i = 0; i < count; ++i) mask(indices_[i]);
      for (int i = 0; i < skips; ++i) mask(skipped[i]);
      best.look(tile, op_.scales.as<T>(), first, size);
    }
    return best;
  }

  void add(int64_t index) {
    const int64_t count = support_.count();
    indices_[count - 1] = int32_t(index);
    scratch_.rows[count - 1] = row_of(index);
    for (int64_t i = 0; i < count; ++i) scratch_.w[i] = T(support_.w()[i]);
  }
  const T* row_of(int64_t index) const { return op_.gram.as<T>() + index * n_; }

  double measured() {
    const int64_t depth = op_.atoms.shape[1];
    const Fit<T> fit{op_.atoms.as<T>(), op_.signals.as<T>() + signal_ * depth, depth, indices_,
                     scratch_.residual};
    return fit.measure(support_, op_.refinements, scratch_.w);
  }

  void finish(double energy) {
    const int64_t count = support_.count();
    if (op_.atoms && count > 0) energy = measured();
    T* coefficients = op_.coefficients.as<T>() + signal_ * k_;
    std::copy_n(scratch_.w, count, coefficients);
    std::fill_n(coefficients + count, k_ - count, T(0));
    std::fill_n(indices_ + count, k_ - count, -1);
    op_.counts.as<int32_t>()[signal_] = int32_t(count);
    op_.residuals.as<T>()[signal_] = T(std::sqrt(energy < 0 ? 0 : energy));
  }

  const GramPursuit& op_;
  const int64_t n_, k_;
  const double largest_;  // maxⱼ sⱼ |dⱼ|
  const Scratch<T> scratch_;
  Support support_;
  int64_t signal_ = 0;
  const T* p_ = nullptr;
  int32_t* indices_ = nullptr;
  double distance_ = 0;
};

// Signals in parts, each with scratch memory of its own.
template <class T>
void run(const GramPursuit& op, Stream& stream) {
  constexpr int64_t kMostParts = 256, kMostScratch = int64_t(1) << 26;
  const int64_t batch = op.indices.shape[0], k = op.indices.shape[1];
  if (batch == 0) return;
  const int64_t depth = op.atoms ? op.atoms.shape[1] : 0, support = support_doubles(k),
                each = support + 2 * k + depth + 2 * k;
  const int64_t most =
      std::clamp<int64_t>(kMostScratch / (8 * std::max<int64_t>(1, each)), 1, kMostParts);
  const int64_t size = (batch + most - 1) / most, parts = (batch + size - 1) / size;
  double* memory = stream.scratch<double>(parts * each);
  const double largest = largest_atom(op.squares, op.scales.as<T>());
  stream.parallel(parts, [&](int64_t part) {
    double* own = memory + part * each;
    double *columns = own + support, *residual = columns + 2 * k, *rows = residual + depth;
    Pursuit<T> pursuit(
        op,
        {own, columns, residual, reinterpret_cast<const T**>(rows), reinterpret_cast<T*>(rows + k)},
        largest);
    for (int64_t b = part * size; b < std::min(batch, (part + 1) * size); ++b) pursuit.run(b);
  });
}

}  // namespace

void gram_pursuit(const GramPursuit& op, Stream& stream) {
  visit(op.gram.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(GramPursuit, gram_pursuit);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
