#include "ops/pursuit/gram_pursuit.h"

#include "cpu/kernels/pursuit/shared/atom_tiles.h"
#include "cpu/kernels/pursuit/shared/support.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

// Of one signal at a time.
template <class T>
struct Scratch {
  double *state, *columns, *residual;
  const T** rows;
  T *w, *tiles;

  Scratch(std::byte* memory, const GramPursuit& op) {
    const int64_t k = op.indices.shape[1];
    state = reinterpret_cast<double*>(memory);
    columns = state + support_doubles(k);
    residual = columns + 2 * k;
    rows = reinterpret_cast<const T**>(residual + depth_of(op));
    w = reinterpret_cast<T*>(rows + k);
    tiles = reinterpret_cast<T*>(memory + whole(own_bytes(op)));
  }
  static size_t bytes(const GramPursuit& op) {
    const int64_t k = op.indices.shape[1];
    return whole(own_bytes(op)) + whole(AtomTiles<T>::bytes(op.gram.shape[0], k));
  }

 private:
  static size_t whole(size_t bytes) { return (bytes + 63) / 64 * 64; }  // cache lines
  static size_t own_bytes(const GramPursuit& op) {
    const int64_t k = op.indices.shape[1];
    return size_t(support_doubles(k) + 4 * k + depth_of(op)) * sizeof(double);
  }
  static int64_t depth_of(const GramPursuit& op) { return op.atoms ? op.atoms.shape[1] : 0; }
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
        support_(scratch.state, scratch.columns, k_),
        tiles_(scratch.tiles, n_, k_, op.scales.as<T>(), scratch.rows, scratch.w) {}

  void run(int64_t signal) {
    signal_ = signal;
    p_ = op_.correlations.as<T>() + signal * n_;
    indices_ = op_.indices.as<int32_t>() + signal * k_;
    support_.clear();
    tiles_.begin(p_);
    const double whole = op_.energies ? op_.energies.as<double>()[signal] : NAN;
    double energy = whole;
    const double target = op_.limits.target(whole);
    T floor = 0;
    while (support_.count() < k_ && !(energy <= target)) {
      BestAtom<T> best;
      if (!choose(floor, best)) break;
      if (support_.count() == 0) {
        floor =
            T(op_.limits.floor * (op_.energies ? std::sqrt(whole) * largest_ : double(best.score)));
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
    int64_t skipped[kMostSkips];
    int skips = 0;
    bool found = false;
    while (!found && skips < kMostSkips) {
      best = tiles_.best();
      if (!(best.score > floor)) break;
      const T* row = row_of(best.index);
      for (int64_t i = 0; i < support_.count(); ++i)
        support_.column()[i] = double(row[indices_[i]]);
      const double square = op_.squares.as<double>()[best.index];
      distance_ = support_.distance(square);
      found = distance_ > op_.limits.dependence * square;
      if (found) break;
      if (op_.limits.stops()) break;
      tiles_.pass_over(skipped[skips++] = best.index);
    }
    while (skips > 0) tiles_.readmit(skipped[--skips]);
    return found;
  }

  void add(int64_t index) {
    const int64_t count = support_.count();
    indices_[count - 1] = int32_t(index);
    scratch_.rows[count - 1] = row_of(index);
    tiles_.choose(index);
    for (int64_t i = 0; i < count; ++i) scratch_.w[i] = T(support_.w()[i]);
  }
  const T* row_of(int64_t index) const { return op_.gram.as<T>() + index * n_; }

  double measured() {
    const int64_t depth = op_.atoms.shape[1];
    const Fit<SerialWorkers, T> fit{op_.atoms.as<T>(), op_.signals.as<T>() + signal_ * depth, depth,
                                    indices_, scratch_.residual};
    return fit.measure(support_, op_.limits.refinements, scratch_.w);
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
  Support<SerialWorkers> support_;
  AtomTiles<T> tiles_;
  int64_t signal_ = 0;
  const T* p_ = nullptr;
  int32_t* indices_ = nullptr;
  double distance_ = 0;
};

// Signals in parts, each with scratch memory of its own.
template <class T>
void run(const GramPursuit& op, Stream& stream) {
  constexpr int64_t kMostParts = 256, kMostScratch = int64_t(1) << 26;
  const int64_t batch = op.indices.shape[0];
  if (batch == 0) return;
  const auto each = std::max<int64_t>(64, int64_t(Scratch<T>::bytes(op)));
  const int64_t most = std::clamp<int64_t>(kMostScratch / each, 1, kMostParts);
  const int64_t size = (batch + most - 1) / most, parts = (batch + size - 1) / size;
  std::byte* memory = stream.scratch<std::byte>(parts * each);
  const double largest = largest_atom(op.squares, op.scales.as<T>());
  stream.parallel(parts, [&](int64_t part) {
    Pursuit<T> pursuit(op, Scratch<T>(memory + part * each, op), largest);
    for (int64_t b = part * size; b < std::min(batch, (part + 1) * size); ++b) pursuit.run(b);
  });
}

}  // namespace

void gram_pursuit(const GramPursuit& op, Stream& stream) {
  visit(op.gram.dtype, [&]<class T>() { run<T>(op, stream); });
}
ORTHOKIT_KERNEL(GramPursuit, gram_pursuit);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
