#include "ops/optimizers/odice_slopes.h"

#include <limits>

#include "cpu/chunks.h"
#include "cpu/convert.h"
#include "cpu/elementary.h"
#include "cpu/sums.h"

namespace orthokit::cpu::inline ORTHOKIT_ISA {
namespace {

struct Sums {
  double y = 0, z = 0, weights = 0, held = 0;
  void add(const Sums& other) {
    y += other.y, z += other.z, weights += other.weights, held += other.held;
  }
};

// out = f*′(y)
template <class T>
void slopes_of(const T* y, int64_t n, bool is_of_pearson, T* out) {
  const T most = T(OdiceSlopes::kMostExponent);
  if (is_of_pearson)
    for (int64_t i = 0; i < n; ++i) out[i] = y[i] / 2 + 1 < 0 ? 0 : y[i] / 2 + 1;
  else
    for (int64_t i = 0; i < n; ++i) out[i] = exp_of(y[i] - 1 > most ? most : y[i] - 1);
}

template <class T>
double sum_of_all(const T* x, int64_t n) {
  return sum_of(n, [x](int64_t i) { return double(x[i]); });
}

template <class T>
double held_in(const T* y, int64_t n, bool is_of_pearson) {
  if (is_of_pearson) return 0;
  const T most = T(OdiceSlopes::kMostExponent);
  return sum_of(n, [y, most](int64_t i) { return y[i] - 1 > most ? 1.0 : 0.0; });
}

// goes = discount (1 − done); fault is no number where done is neither 0 nor 1.
template <class T>
[[gnu::noinline]] void read_done(const T* done, T discount, int64_t n, T* goes, T* fault) {
  for (int64_t i = 0; i < n; ++i) {
    goes[i] = discount * (1 - done[i]);
    fault[i] = done[i] * (1 - done[i]) == 0 ? T(0) : std::numeric_limits<T>::quiet_NaN();
  }
}

// out = rewards + goes ⊙ next − now
template <class T>
[[gnu::noinline]] void residuals(const T* rewards, const T* goes, const T* next, const T* now,
                                 int64_t n, T* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = rewards[i] + goes[i] * next[i] - now[i];
}

template <class T>
void slopes_block(const OdiceSlopes& op, int64_t begin, int64_t n, Sums& sums) {
  const auto at = [&](const View& v) { return v.as<T>() + begin; };
  const T* rewards = at(op.rewards);
  T *forward = at(op.forward), *weights = at(op.weights);
  const T most = T(OdiceSlopes::kMostWeight);
  const bool is_of_pearson = op.is_of_pearson();
  T goes[kBlock], y[kBlock], slopes[kBlock];
  read_done(at(op.done), T(op.discount), n, goes, at(op.fault));
  residuals(rewards, goes, at(op.target_next), at(op.now), n, y);
  slopes_of(y, n, is_of_pearson, slopes);
  const T* weighed = op.weighs_apart() ? y : slopes;
  for (int64_t i = 0; i < n; ++i) {
    const T positive = weighed[i] < 0 ? 0 : weighed[i];
    weights[i] = positive > most ? most : positive;
  }
  const T of_forward = T(op.forward_factor());
  for (int64_t i = 0; i < n; ++i) forward[i] = of_forward * slopes[i];
  sums.add({sum_of_all(y, n), 0, sum_of_all(weights, n), held_in(y, n, is_of_pearson)});
  if (!op.backward) return;

  T* backward = at(op.backward);
  residuals(rewards, goes, at(op.next), at(op.target_now), n, y);
  slopes_of(y, n, is_of_pearson, slopes);
  const T of_backward = T(op.backward_factor());
  for (int64_t i = 0; i < n; ++i) backward[i] = slopes[i] * (goes[i] * of_backward);
  sums.add({0, sum_of_all(y, n), 0, held_in(y, n, is_of_pearson)});
}

}  // namespace

void odice_slopes(const OdiceSlopes& op, Stream& stream) {
  View now = op.now;
  const List<View> tensors = {&now, 1};
  const Chunks chunks(tensors, stream);
  auto* partial = stream.scratch<Sums>(chunks.count());
  chunks.run([&](const Chunk& c) {
    Sums& sums = partial[c.index];
    sums = Sums();
    for (int64_t done = 0; done < c.size; done += kBlock)
      visit(op.now.dtype, [&]<class T>() {
        slopes_block<T>(op, c.begin + done, std::min(kBlock, c.size - done), sums);
      });
  });
  Sums sums;
  for (int64_t i = 0; i < chunks.count(); ++i) sums.add(partial[i]);
  const auto count = double(op.now.size());
  auto* out = op.sums.as<double>();
  out[0] = sums.y / count, out[1] = op.backward ? sums.z / count : 0;
  out[2] = sums.weights, out[3] = sums.held;
}
ORTHOKIT_KERNEL(OdiceSlopes, odice_slopes);

}  // namespace orthokit::cpu::inline ORTHOKIT_ISA
