#include "bench/ceilings.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "ops/elementwise/copy.h"
#include "ops/elementwise/fill.h"
#include "ops/products/gemm.h"

namespace orthokit::bench {
namespace {

constexpr double kMostBytes = 256e6;       // far beyond any cache: more changes nothing
constexpr double kLeastRound = 2e-3;       // seconds: long against the start of a thread
constexpr double kSlice = 4096;            // bytes: all arrays stay in the sight of the prefetchers
constexpr double kBeyondCaches = 8 << 20;  // bytes: what is written passes them by
constexpr size_t kLine = 8;                // words

// Three arrays, walked together in slices: summed, incremented, overwritten. `words` is how much of
// each belongs to a slice.
struct Walk {
  struct Array {
    uint64_t* data;
    size_t words;
    uint64_t* slice(size_t s) const { return data + s * words; }
  } read, update, write;
  bool passes_caches = false;  // what is written, in whole lines
};

// A line that is not read before it is written.
[[gnu::always_inline]] inline void write_line(uint64_t* line, uint64_t value) {
#ifdef __SSE2__
  const __m128i pair = _mm_set1_epi64x(int64_t(value));
  for (size_t i = 0; i < kLine; i += 2)
    _mm_stream_si128(reinterpret_cast<__m128i*>(line + i), pair);
#else
  for (size_t i = 0; i < kLine; ++i) line[i] = value;
#endif
}

[[gnu::always_inline]] inline void walk_slices(const Walk& w, size_t begin, size_t end) {
  for (size_t s = begin; s < end; ++s) {
    uint64_t *in = w.read.slice(s), sum = s;
    // Beside writes that pass the caches, memory gives more where the next slice is asked for.
    if (w.passes_caches)
      for (size_t i = 0; i < w.read.words; i += kLine) __builtin_prefetch(in + w.read.words + i);
    for (size_t i = 0; i < w.read.words; ++i) sum ^= in[i];
    uint64_t* inout = w.update.slice(s);
    for (size_t i = 0; i < w.update.words; ++i) inout[i] += sum;
    uint64_t* out = w.write.slice(s);
    if (w.passes_caches)
      for (size_t i = 0; i < w.write.words; i += kLine) write_line(out + i, sum);
    else
      for (size_t i = 0; i < w.write.words; ++i) out[i] = sum;
    if (w.read.words > 0) in[0] = sum;  // the sum is used
  }
}

// Narrow instructions would be the ceiling of what lies in a cache.
void walk_portable(const Walk& w, size_t begin, size_t end) { walk_slices(w, begin, end); }
#if defined(__x86_64__)
[[gnu::target("avx2")]] void walk_avx2(const Walk& w, size_t begin, size_t end) {
  walk_slices(w, begin, end);
}
[[gnu::target("avx512f,prefer-vector-width=512")]] void walk_avx512(const Walk& w, size_t begin,
                                                                    size_t end) {
  walk_slices(w, begin, end);
}
#endif
decltype(&walk_portable) widest_walk() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return walk_avx512;
  if (__builtin_cpu_supports("avx2")) return walk_avx2;
#endif
  return walk_portable;
}

// In the device's own memory, so that it lies like the operands of the case.
class Streams {
 public:
  Streams(const Case::Mix& mix, Device& device, int threads) : threads_(threads) {
    const double total = std::max(1.0, mix.read + mix.update + mix.write),
                 shrink = std::min(1.0, kMostBytes / total);
    slices_ = size_t(total * shrink / kSlice) + 1;
    const auto array = [&](double bytes) {
      size_t words = size_t(bytes * shrink / 8 / double(slices_));
      if (words > kLine) words -= words % kLine;
      const Tensor t = device.empty({int64_t(2 * slices_ * words)}, Dtype::kF32);
      tensors_.push_back(t);
      device.run(Fill{.x = {t}, .value = 1});
      return Walk::Array{t.view().as<uint64_t>(), words};
    };
    walk_ = {array(mix.read), array(mix.update), array(mix.write)};
    walk_.passes_caches = mix.write > kBeyondCaches && walk_.write.words % kLine == 0;
    device.synchronize();
  }
  double traffic() const {
    return 8.0 * double(slices_) *
           double(walk_.read.words + 2 * walk_.update.words + walk_.write.words);
  }
  void walk(int passes) const {
    const auto share = [this, passes](size_t t) {
      for (int i = 0; i < passes; ++i)
        walk_function_(walk_, slices_ * t / size_t(threads_), slices_ * (t + 1) / size_t(threads_));
    };
    std::vector<std::thread> others;
    for (int t = 1; t < threads_; ++t) others.emplace_back(share, size_t(t));
    share(0);
    for (auto& t : others) t.join();
  }

 private:
  const int threads_;
  decltype(&walk_portable) walk_function_ = widest_walk();
  std::vector<Tensor> tensors_;
  size_t slices_;
  Walk walk_;
};

Ceiling host_stream(const Case::Mix& mix, Device& device, int threads, const Clock& clock) {
  auto streams = std::make_shared<Streams>(mix, device, threads);
  streams->walk(1);
  const double start = clock.seconds();
  streams->walk(1);
  const double once = std::max(clock.seconds() - start, 1e-7);
  const int passes = int(std::min(1e5, kLeastRound / once)) + 1;
  return {std::make_unique<Racer>([streams, passes] { streams->walk(passes); }, [] {}, clock),
          streams->traffic() * passes};
}

Ceiling copy_stream(const Case::Mix& mix, Device& device, const Clock& clock) {
  const double bytes = std::min(kMostBytes, mix.read + mix.update + mix.write);
  const Shape shape{int64_t(bytes / 8) + 1};
  const Tensor x = device.empty(shape, Dtype::kF32), out = device.empty(shape, Dtype::kF32);
  device.run(Fill{.x = {x}, .value = 1});
  return {std::make_unique<Racer>([&device, x, out] { device.run(Copy{.out = {out}, .x = {x}}); },
                                  device, clock),
          2.0 * double(x.bytes())};
}

}  // namespace

Ceiling stream_ceiling(const Case& c, Device& device, int threads, const Clock& clock) {
  if (device.kind() != Kind::kCpu) return copy_stream(c.mix(), device, clock);
  return host_stream(c.mix(), device, threads, clock);
}

Ceiling gemm_ceiling(Device& device, Dtype dtype, int64_t side, const Clock& clock) {
  const std::string type = kDtypeNames[int(dtype)],
                    square = "[" + std::to_string(side) + "x" + std::to_string(side) + "]";
  const std::shared_ptr<Case> c =
      make_case(*registry().find(Gemm::name), device,
                "a=" + type + square + " b=" + type + square + " c=" + type + square);
  return {std::make_unique<Racer>([c] { c->run(); }, device, clock), c->flops()};
}

}  // namespace orthokit::bench
