#include "bench/ceilings.h"

#include <barrier>

#include "ops/copy.h"
#include "ops/gemm.h"

namespace orthokit::bench {
namespace {

constexpr double kMostBytes = 256e6;  // far beyond any cache: more changes nothing
constexpr double kLeastPass = 2e-3;   // seconds
constexpr double kSlice = 4096;       // bytes: all arrays stay in the sight of the prefetchers

// Three arrays, walked together in slices: summed, incremented, overwritten.
class Streams {
 public:
  explicit Streams(const Case::Mix& mix) {
    const double total = std::max(1.0, mix.read + mix.update + mix.write),
                 shrink = std::min(1.0, kMostBytes / total);
    slices_ = size_t(total * shrink / kSlice) + 1;
    const auto words = [&](double bytes) { return size_t(bytes * shrink / 8 / double(slices_)); };
    read_ = words(mix.read), update_ = words(mix.update), write_ = words(mix.write);
    data_.assign(slices_ * (read_ + update_ + write_), 1);
  }
  double traffic() const { return 8.0 * double(slices_) * double(read_ + 2 * update_ + write_); }

  // Part `index` of `count`; each slice holds its share of the three arrays.
  void walk(size_t index, size_t count) {
    const size_t begin = slices_ * index / count, end = slices_ * (index + 1) / count;
    for (size_t s = begin; s < end; ++s) {
      uint64_t *in = &data_[0] + s * read_, sum = s;
      for (size_t i = 0; i < read_; ++i) sum ^= in[i];
      uint64_t* inout = &data_[0] + slices_ * read_ + s * update_;
      for (size_t i = 0; i < update_; ++i) inout[i] += sum;
      uint64_t* out = &data_[0] + slices_ * (read_ + update_) + s * write_;
      for (size_t i = 0; i < write_; ++i) out[i] = sum;
      if (read_ > 0) in[0] = sum;  // the sum is used
    }
  }

 private:
  size_t slices_, read_, update_, write_;
  std::vector<uint64_t> data_;
};

double seconds_of_passes(Streams& streams, int threads, int passes, const Clock& clock) {
  std::barrier start(threads + 1);
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t)
    workers.emplace_back([&, t] {
      start.arrive_and_wait();
      for (int i = 0; i < passes; ++i) streams.walk(size_t(t), size_t(threads));
    });
  const double before = clock.seconds();
  start.arrive_and_wait();
  for (auto& w : workers) w.join();
  return (clock.seconds() - before) / passes;
}

double host_stream(const Case::Mix& mix, int threads, const Clock& clock) {
  Streams streams(mix);
  const double once = std::max(seconds_of_passes(streams, threads, 1, clock), 1e-7);
  const int passes = int(std::min(1e5, kLeastPass / once)) + 1;
  double least = once;
  for (int i = 0; i < kRounds; ++i)
    least = std::min(least, seconds_of_passes(streams, threads, passes, clock));
  return streams.traffic() / least;
}

double best_round(Device& device, std::function<void()> work, const Clock& clock) {
  Racer racer(
      std::move(work), [&] { device.synchronize(); }, clock);
  return race({&racer})[0].least;
}

double copy_stream(const Case::Mix& mix, Device& device, const Clock& clock) {
  const double bytes = std::min(kMostBytes, mix.read + mix.update + mix.write);
  const Shape shape{int64_t(bytes / 8) + 1};
  const Tensor x = device.empty(shape, Dtype::kF32), out = device.empty(shape, Dtype::kF32);
  return 2.0 * double(x.bytes()) /
         best_round(
             device, [&] { device.run(Copy{.out = {out}, .x = {x}}); }, clock);
}

}  // namespace

double stream_ceiling(const Case& c, Device& device, int threads, const Clock& clock) {
  if (device.kind() != Kind::kCpu) return copy_stream(c.mix(), device, clock);
  return host_stream(c.mix(), threads, clock);
}

double gemm_ceiling(Device& device, Dtype dtype, int64_t side, const Clock& clock) {
  const std::string type = kDtypeNames[int(dtype)],
                    square = "[" + std::to_string(side) + "x" + std::to_string(side) + "]";
  const auto c = make_case(*registry().find(Gemm::name), device,
                           "a=" + type + square + " b=" + type + square + " c=" + type + square);
  return c->flops() / best_round(
                          device, [&] { c->run(); }, clock);
}

}  // namespace orthokit::bench
